#!/bin/sh
# Makes FOLDER, an environment that holds PlusCoder as requirements-pluscoder.txt locks it and the
# tokenizer tables it would download at each start.
#   create_pluscoder.sh FOLDER PYTHON
# FOLDER/.ready is written last, as in create_env.sh; without it the folder is made anew.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd -P)
lock=requirements-pluscoder.txt
. tools/venv.sh

fits() {  # what the lock has wheels for
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null
}

find_python() {
    for python in "$1" python3.12 python3.11; do
        fits "$python" && echo "$python" && return
    done
    return 1
}

with_uv() {
    "$uv" pip install -q --python "$python" --no-deps --require-hashes --only-binary :all: --compile-bytecode -r "$lock"
}

with_pip() {
    "$python" -m pip install -q --disable-pip-version-check --no-input --no-deps --require-hashes --only-binary :all: -r "$lock"
}

found=$(find_python "$2") ||
    stop "PlusCoder needs Python 3.11 or 3.12; make create-env PYTHON=python3.12 gives it one"
echo "pluscoder: about 1.5 GB go to $1; this takes one to three minutes"
make_venv "$1" "$found"
python=$1/bin/python
if uv=$(usable_uv .venv); then
    # as in create_env.sh: where only pip knows the index, pip goes on
    with_uv || { echo "pluscoder: uv could not install the lock; trying pip" >&2; with_pip; }
else
    with_pip
fi
"$python" tools/pluscoder/tokenizers.py "$1/tiktoken-cache"
# PlusCoder reads the nearest .env above its own files: this empty one, not an operator's
: >"$1/.env"
echo "$here" >"$1/.ready"
