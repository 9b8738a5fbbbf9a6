#!/bin/sh
# Resolves anew, from nothing: an old lock would be preferred. It stays until the new one is whole.
#   lock.sh UV               pyproject.toml into requirements.txt
#   lock.sh UV pluscoder     workflows/tasks/agents/pluscoder/lock/, in place
# requirements-image.txt is the part of it an image needs, without what only developers use; the
# functions get a lock of the same versions.
set -eu
cd "$(dirname "$0")/.."
uv=$1
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

resolve() {  # TARGET, then what to resolve and how
    target=$1
    shift
    "$uv" pip compile "$@" --universal --python-version 3.11 --generate-hashes \
        --no-header --quiet -o "$new/requirements.txt"
    if grep -n '://' "$new/requirements.txt"; then
        echo "lock: the lock must hold no address; $target is left as it was" >&2
        exit 1
    fi
    cat "$new/requirements.txt" >"$target"
    echo "$target: $(grep -c '^[a-z]' "$target") packages"
}

case ${2:-} in
    "")
        resolve requirements.txt pyproject.toml --extra dev
        resolve requirements-image.txt pyproject.toml -c requirements.txt --no-annotate
        functions=workflows/functions
        resolve $functions/requirements.txt $functions/requirements.in -c requirements.txt --no-annotate
        ;;
    pluscoder)
        lock=workflows/tasks/agents/pluscoder/lock
        resolve $lock/requirements.txt $lock/requirements.in --no-annotate \
            --override $lock/overrides.txt --prerelease if-necessary-or-explicit
        ;;
    *) echo "lock: unknown lock: $2" >&2; exit 2 ;;
esac
