#!/bin/sh
# Runs the tests against the wheel, as it would be installed, and not against this checkout.
#   wheel_suite.sh PYTHON [ARGUMENT OF PYTEST...]     PYTHON has what requirements.txt locks
# COVERAGE=1 measures branches on the way and prints the report.
set -eu
cd "$(dirname "$0")/.."
python=$1
shift
root=$(pwd -P)
work=$root/build/wheel

rm -rf "$work"
mkdir -p "$work/suite"
"$python" -m build --wheel --no-isolation --outdir "$work/dist" . >"$work/build.log" 2>&1 ||
    { cat "$work/build.log" >&2; exit 1; }

# An environment with the wheel in it and the locked packages beside it. A path in a .pth file
# does not make Python read the .pth files below that path, so the checkout stays out of sight.
"$python" -m venv --without-pip "$work/env"
packages() { "$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
packages "$root/$python" >"$(packages "$work/env/bin/python")/locked.pth"
# Nor does it read coverage's own .pth file there, with which processes of tests are measured.
echo 'import os; os.getenv("COVERAGE_PROCESS_CONFIG") and __import__("coverage").process_startup()' \
    >>"$(packages "$work/env/bin/python")/locked.pth"
"$python" -m pip --python "$work/env/bin/python" install -q --no-deps --no-index "$work"/dist/*.whl

# The checkout without the package.
git ls-files -co --exclude-standard | grep -v '^workflows/' | while read -r file; do
    [ -f "$file" ] && mkdir -p "$work/suite/$(dirname "$file")" && cp -p "$file" "$work/suite/$file"
done
[ ! -e .venv-pluscoder ] || ln -s "$root/.venv-pluscoder" "$work/suite/.venv-pluscoder"

cd "$work/suite"
"$work/env/bin/python" -I -c 'import workflows; print(workflows.__file__, workflows.__version__)'
status=0
if [ -z "${COVERAGE:-}" ]; then
    tools/test.sh "$work/env/bin/python" -m "not slow and not checkout" "$@" || status=$?
else
    PYTEST="coverage run -m pytest" tools/test.sh "$work/env/bin/python" \
        -m "not slow and not checkout" "$@" || status=$?
    "$work/env/bin/python" -m coverage combine -q
    "$work/env/bin/python" -m coverage report --skip-covered --sort=cover || status=$?
fi
# What is about the repository's files, and not about the package, needs the checkout.
cd "$root"
"$python" -m pytest -q -m checkout || status=$?
exit "$status"
