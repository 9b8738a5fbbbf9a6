#!/bin/sh
# Resolves tools/pluscoder/requirements.in into requirements-pluscoder.txt, for Python 3.11 and up.
# The old file stays until the new one is whole.
set -eu
cd "$(dirname "$0")/.."
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

"$1" pip compile tools/pluscoder/requirements.in --override tools/pluscoder/overrides.txt \
    --prerelease if-necessary-or-explicit --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --no-annotate --quiet -o "$new/requirements.txt"
if grep -n '://' "$new/requirements.txt"; then
    echo "lock: the lock must hold no address; requirements-pluscoder.txt is left as it was" >&2
    exit 1
fi
cat "$new/requirements.txt" >requirements-pluscoder.txt
echo "requirements-pluscoder.txt: $(grep -c '^[a-z]' requirements-pluscoder.txt) packages"
