#!/bin/sh
# Resolves tools/terraform/requirements.in into requirements-infra.txt, for Python 3.11 and up.
# The old file stays until the new one is whole.
set -eu
cd "$(dirname "$0")/.."
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

"$1" pip compile tools/terraform/requirements.in --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --quiet -o "$new/requirements.txt"
if grep -n '://' "$new/requirements.txt"; then
    echo "lock-infra: the lock must hold no address; requirements-infra.txt is left as it was" >&2
    exit 1
fi
cat "$new/requirements.txt" >requirements-infra.txt
echo "requirements-infra.txt: $(grep -c '^[a-z]' requirements-infra.txt) packages"
