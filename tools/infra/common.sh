# Sourced by the scripts of this folder: what they share. Not run by itself.

stop() {
    echo "$*" >&2
    exit 1
}

need() {  # TOOL WHERE
    command -v "$1" >/dev/null 2>&1 || stop "$1 is not on PATH; see $2"
}
