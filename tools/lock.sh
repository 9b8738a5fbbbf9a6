#!/bin/sh
<<<<<<< HEAD
# Resolves anew, from nothing: an old lock would be preferred. It stays until the new one is whole.
#   lock.sh UV               pyproject.toml into requirements.txt
#   lock.sh UV pluscoder     tools/pluscoder/ into requirements-pluscoder.txt
# The functions get a lock of the same versions.
=======
# Resolves pyproject.toml into requirements.txt, from nothing: an old lock would be preferred.
# requirements-image.txt is the part of it an image needs, without what only developers use.
# The old files stay until the new ones are whole.
>>>>>>> e0268c4a (Describe the deployment in Terraform, and check it without a cloud)
set -eu
cd "$(dirname "$0")/.."
uv=$1
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

<<<<<<< HEAD
resolve() {  # TARGET, then what to resolve and how
    target=$1
    shift
    "$uv" pip compile "$@" --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-header --quiet -o "$new/requirements.txt"
    if grep -n '://' "$new/requirements.txt"; then
        echo "lock: the lock must hold no address; $target is left as it was" >&2
        exit 1
    fi
    cat "$new/requirements.txt" >"$target"
    echo "$target: $(grep -c '^[a-z]' "$target") packages"
}

case ${2:-} in
    "")
        resolve requirements.txt pyproject.toml --extra dev
        functions=infrastructure/shared
        resolve $functions/requirements.txt $functions/requirements.in -c requirements.txt --no-annotate
        ;;
    pluscoder)
        resolve requirements-pluscoder.txt tools/pluscoder/requirements.in --no-annotate \
            --override tools/pluscoder/overrides.txt --prerelease if-necessary-or-explicit
        ;;
    *) echo "lock: unknown lock: $2" >&2; exit 2 ;;
esac
=======
"$1" pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --quiet -o "$new/requirements.txt"
"$1" pip compile pyproject.toml --constraint "$new/requirements.txt" --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o "$new/requirements-image.txt"
if grep -n '://' "$new"/*.txt; then
    echo "lock: a lock must hold no address; both are left as they were" >&2
    exit 1
fi
for lock in requirements.txt requirements-image.txt; do
    cat "$new/$lock" >"$lock"
    echo "$lock: $(grep -c '^[a-z]' "$lock") packages"
done
>>>>>>> e0268c4a (Describe the deployment in Terraform, and check it without a cloud)
