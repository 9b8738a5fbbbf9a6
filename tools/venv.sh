# Sourced by the scripts that make environments: what they share. Not run by itself.

stop() {
    echo "$(basename "$0" .sh): $*" >&2
    exit 1
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
