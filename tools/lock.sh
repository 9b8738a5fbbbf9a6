#!/bin/sh
# Resolves pyproject.toml into requirements.txt, from nothing: an old lock would be preferred.
# The old file stays until the new one is whole.
set -eu
cd "$(dirname "$0")/.."
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

"$1" pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --quiet -o "$new/requirements.txt"
if grep -n '://' "$new/requirements.txt"; then
    echo "lock: the lock must hold no address; requirements.txt is left as it was" >&2
    exit 1
fi
cat "$new/requirements.txt" >requirements.txt
echo "requirements.txt: $(grep -c '^[a-z]' requirements.txt) packages"
