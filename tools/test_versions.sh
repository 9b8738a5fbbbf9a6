#!/bin/sh
# Runs the tests on every supported Python found on PATH or under ~/.pyenv/versions, each in an
# environment of its own under .venvs/. Fails where one fails, and where none was found.
set -eu
cd "$(dirname "$0")/.."
passed="" failed="" missing=""

find_python() {
    for python in "$(command -v "python$1" || true)" "$HOME/.pyenv/versions/$1."*/bin/python; do
        [ -n "$python" ] && "$python" -c '' 2>/dev/null && echo "$python" && return
    done
    return 1
}

run_tests() {
    if [ "$(cat ".venvs/$1/.ready" 2>/dev/null)" != "$(pwd -P)" ] ||
        [ -n "$(find requirements.txt pyproject.toml -newer ".venvs/$1/.ready")" ]; then
        tools/create_env.sh venv ".venvs/$1" "$2" || return
    fi
    shift 2
    tools/test.sh ".venvs/$version/bin/python" "$@"
}

for version in 3.11 3.12 3.13; do
    python=$(find_python "$version") || { missing="$missing $version"; continue; }
    echo "== Python $version: $python"
    if run_tests "$version" "$python" "$@"; then passed="$passed $version"; else failed="$failed $version"; fi
done
# a Python that is not here yet: whether the lock has a wheel of everything for it
next=3.14
.venv/bin/python -m pip install -q --dry-run --no-deps \
    --ignore-installed --python-version "$next" --only-binary :all: --target build/none \
    --require-hashes -r requirements.txt && echo "the lock can be installed on Python $next"
echo "passed:${passed:- none}; failed:${failed:- none}; not found here:${missing:- none}"
[ -z "$failed" ] && [ -n "$passed" ]
