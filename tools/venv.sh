# Sourced by the scripts that make environments: what they share. Not run by itself.

stop() {
    echo "$(basename "$0" .sh): $*" >&2
    exit 1
}

lock_environment() {  # FOLDER PYTHON: wait while another process makes this environment
    # the lock belongs to descriptor 9, so it ends with this script, however that ends
    exec 9>"$1.lock"
    "$2" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' || stop "cannot lock $1.lock"
    # a link leads to an environment of another checkout, which is not ours to make anew
    [ ! -L "$1" ] || stop "$1 is a link; remove it, and make will put an environment in its place"
}

is_made() {  # FOLDER LOCK...: whether it was made here since the last change of what it is made from
    folder=$1
    shift
    [ "$(cat "$folder/.ready" 2>/dev/null)" = "$(pwd -P)" ] && "$folder/bin/python" -c '' 2>/dev/null &&
        [ -z "$(find "$@" -newer "$folder/.ready")" ]
}

make_venv() {  # FOLDER PYTHON
    "$2" -c 'import venv, ensurepip' 2>/dev/null ||
        stop "$2 has no venv module; install it (Debian: python3-venv) or name another: make create-env PYTHON=/path/to/python3"
    "$2" -m venv --clear "$1"
}

usable_uv() {  # the FOLDER of an environment that may hold one
    for uv in "$(command -v uv || true)" "$1/bin/uv"; do
        [ -n "$uv" ] && "$uv" --version >/dev/null 2>&1 && echo "$uv" && return
    done
    return 1
}
