#!/bin/sh
# Runs the tests on every processor, and temporary files in memory where there is room for them.
#   test.sh PYTHON [ARGUMENTS OF PYTEST]
# One process more than there are processors, because many tests wait for a lease or a deadline.
set -eu
cd "$(dirname "$0")/.."
python=$1
shift

in_memory() {  # FOLDER: a tmpfs with 4 GB free, where programs may be started
    [ -w "$1" ] || return 1
    [ "$(df -Pk "$1" | awk 'NR == 2 { print ($1 == "tmpfs" && $4 > 4000000) }')" = 1 ] || return 1
    probe=$(mktemp "$1/workflows-XXXXXX") || return 1
    printf '#!/bin/sh\n' >"$probe"
    chmod +x "$probe"
    if "$probe" 2>/dev/null; then found=0; else found=1; fi
    rm -f "$probe"
    return $found
}

if [ -z "${TMPDIR:-}" ] && in_memory /dev/shm; then
    export TMPDIR=/dev/shm
fi
workers=$(($(getconf _NPROCESSORS_ONLN) + 1))
# shellcheck disable=SC2086 - PYTEST may be several words
exec "$python" -m ${PYTEST:-pytest} -n "$workers" --dist loadfile --no-loadscope-reorder "$@"
