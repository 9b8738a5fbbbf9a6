#!/bin/sh
# An image on this machine: docker.sh build TARGET | run TARGET [ARGUMENT...]
# Secrets reach a run from the environment by name (-e NAME), so that they are in no command line.
set -eu
cd "$(dirname "$0")/../.."
action=$1 target=$2
shift 2
. tools/infra/common.sh

need docker "https://docs.docker.com/get-started/get-docker/"
docker info >/dev/null 2>&1 || stop "docker-$action: the docker daemon does not answer; start it"

case $action in
    build) exec docker build --build-arg "VERSION=$(git describe --tags --always 2>/dev/null || echo 0+unknown)" --target "$target" --tag "workflows-local/$target" . ;;
    run)
        docker image inspect "workflows-local/$target" >/dev/null 2>&1 ||
            stop "docker-run: there is no image of $target yet; run: make docker-build TARGET=$target"
        set -- "workflows-local/$target" "$@"
        for name in GIT_TOKEN GIT_TOKEN_HOSTS GITLAB_URL GITLAB_TOKEN OPENAI_API_KEY OPENAI_BASE_URL \
            ANTHROPIC_API_KEY GOOGLE_API_KEY NOTIFY_URLS LOG_LEVEL; do
            set -- -e "$name" "$@"
        done
        exec docker run --rm --read-only --tmpfs /tmp --tmpfs /srv/workflows:uid=10001,gid=10001 "$@"
        ;;
esac
