#!/bin/sh
# Makes an environment that holds exactly what requirements.txt locks, and this folder in place.
#   create_env.sh venv FOLDER PYTHON     create_env.sh conda NAME
# FOLDER/.ready is written last and holds the path of this repository: a venv without it, or from
# another place, was left half made and is made anew; an outdated one is brought up to date.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd -P)

. tools/venv.sh

check_python() {
    found=$("$1" -c 'import sys; print("%d.%d %s" % (sys.version_info[:2] + (sys.version_info >= (3, 11),)))' 2>&1) ||
        stop "$1 does not run; name a Python of 3.11 or newer: make create-env PYTHON=/path/to/python3"
    [ "${found#* }" = True ] ||
        stop "$1 is Python ${found% *}, needed is 3.11 or newer: make create-env PYTHON=/path/to/python3"
}

with_uv() {
    "$uv" pip install -q --python "$python" --require-hashes --compile-bytecode -r requirements.txt &&
        "$uv" pip install -q --python "$python" --no-deps --no-build-isolation -e .
}

with_pip() {  # "$@" runs the environment's Python; pip compiles bytecode by itself
    "$@" -m pip install -q --disable-pip-version-check --no-input --require-hashes -r requirements.txt
    "$@" -m pip install -q --disable-pip-version-check --no-input --no-deps --no-build-isolation -e .
}

create_venv() {
    python=$1/bin/python
    lock_environment "$1" "$2"
    ! is_made "$1" requirements.txt pyproject.toml || return 0  # another process has just made it
    if [ "$(cat "$1/.ready" 2>/dev/null)" = "$here" ] && "$python" -c '' 2>/dev/null; then
        rm "$1/.ready"
    else
        check_python "$2"
        make_venv "$1" "$2"
    fi
    if uv=$(usable_uv "$1"); then
        # uv does not read pip's configuration, so where only pip knows the index, pip goes on
        with_uv || { echo "create-env: uv could not install the lock; trying pip" >&2; with_pip "$python"; }
    else
        echo "create-env: no uv here, so pip installs the lock; this takes a minute or two"
        with_pip "$python"
    fi
    "$python" -m compileall -q workflows || true  # a syntax error there is for the tests to tell
    echo "$here" >"$1/.ready"
}

create_conda() {
    for conda in conda mamba micromamba ""; do
        command -v "$conda" >/dev/null 2>&1 && break
    done
    [ -n "$conda" ] || stop "no conda, mamba or micromamba on PATH; plain make create-env needs none of them"
    export CONDA_ALWAYS_YES=true MAMBA_ALWAYS_YES=true PYTHONNOUSERSITE=1
    "$conda" env update -n "$1" -f environment.yml
    with_pip "$conda" run -n "$1" python
    echo "$1 is ready: $conda activate $1"
}

case $1 in
    venv) create_venv "$2" "$3" ;;
    conda) create_conda "$2" ;;
    *) stop "unknown kind of environment: $1" ;;
esac
