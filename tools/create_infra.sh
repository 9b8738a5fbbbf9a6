#!/bin/sh
# Makes FOLDER, an environment that holds what `make infra-check` needs, as requirements-infra.txt locks it.
#   create_infra.sh FOLDER PYTHON
# FOLDER/.ready is written last, as in create_env.sh; without it the folder is made anew.
set -eu
cd "$(dirname "$0")/.."
lock=requirements-infra.txt
. tools/venv.sh

with_uv() {
    "$uv" pip install -q --python "$1/bin/python" --no-deps --require-hashes --only-binary :all: -r "$lock"
}

with_pip() {
    "$1/bin/python" -m pip install -q --disable-pip-version-check --no-input --no-deps --require-hashes --only-binary :all: -r "$lock"
}

lock_environment "$1" "$2"
! is_made "$1" "$lock" || exit 0  # another process has just made it
make_venv "$1" "$2"
if uv=$(usable_uv .venv); then
    # as in create_env.sh: where only pip knows the index, pip goes on
    with_uv "$1" || { echo "infra: uv could not install the lock; trying pip" >&2; with_pip "$1"; }
else
    with_pip "$1"
fi
pwd -P >"$1/.ready"
