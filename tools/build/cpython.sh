#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Build the CPython package: cpython.sh [BUILD_DIR C_FLAGS]
# Installs it into .venv, or with another BUILD_DIR (not build/cpython) into BUILD_DIR/site for
# PYTHONPATH, with BUILD_DIR/python, which sets it. Does nothing if no source has changed.
set -eu

cd "$(dirname "$0")/../.."
python=.venv/bin/python
build=${1:-build/cpython}
flags=${2:-}
if [ $# -gt 0 ]; then
    stamp=$build/stamp into=$build/site
    where="--target=$into --upgrade"
    mkdir -p "$build"
else
    stamp=.venv/pymongoose.stamp into=.venv
    where=--force-reinstall
fi
exec 8>"${stamp%stamp}lock"
flock 8

MONGOOSE_DIR=$($python tools/deps/deps.py --path mongoose)
MBEDTLS_DIR=$($python tools/deps/deps.py --path mbedtls)
sources="pyproject.toml README.md shared cpython typings $MONGOOSE_DIR $MBEDTLS_DIR/include $MBEDTLS_DIR/library"
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$MONGOOSE_DIR $MBEDTLS_DIR$flags" ] &&
    # shellcheck disable=SC2086
    [ -z "$(find $sources -newer "$stamp" ! -name '*.pyc' ! -name __pycache__ | head -n 1)" ]; then
    exit 0
fi

begun=$(mktemp -p .venv)
trap 'rm -f "$begun"' EXIT
printf %s "$MONGOOSE_DIR $MBEDTLS_DIR$flags" >"$begun"
# shellcheck disable=SC2086
tools/deps/step.sh "$build/log" "cpython: building the extension module into $into (a minute or two)" \
    $python -m pip install -v --disable-pip-version-check --no-build-isolation --no-deps \
    --no-index $where --config-settings=build-dir="$build" \
    ${flags:+--config-settings=cmake.define.CMAKE_C_FLAGS_RELEASE="$flags"} \
    --config-settings=cmake.define.MONGOOSE_DIR="$MONGOOSE_DIR" \
    --config-settings=cmake.define.MBEDTLS_DIR="$MBEDTLS_DIR" .
if [ $# -gt 0 ]; then
    cat >"$build/python" <<END
#!/bin/sh
PYTHONPATH="$PWD/$into\${PYTHONPATH:+:\$PYTHONPATH}" exec "$PWD/$python" "\$@"
END
    chmod +x "$build/python"
fi
mv "$begun" "$stamp"
