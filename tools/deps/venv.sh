#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Give .venv the pinned packages of one group (build, check, test, docs, flash or release): venv.sh GROUP
set -eu

cd "$(dirname "$0")/../.."
case $1 in
build) list=tools/deps/requirements-build.txt size=33 ;;
check) list=tools/deps/requirements-check.txt size=29 ;;
test) list=tests/requirements.txt size=21 ;;
docs) list=docs/requirements.txt size=14 ;;
release) list=tools/deps/requirements-release.txt size=3 ;;
flash) list=tools/deps/requirements-flash.txt size=3 ;;
*) echo "venv: no group $1" >&2; exit 2 ;;
esac

# Parallel makes share it.
mkdir -p .venv
exec 9>.venv/lock
flock 9
tools/deps/network.sh pip venv
# Of the network it was seen that it is there: pip's five retries would be half a minute of silence.
export PIP_RETRIES="${PIP_RETRIES:-2}"
if [ ! -e .venv/ready ]; then
    echo "venv: creating .venv with ${PYTHON:=/usr/bin/python3}" >&2
    "$PYTHON" -m venv .venv >&2 ||
        { echo "venv: $PYTHON cannot make one: install its venv module, or PYTHON= names another" >&2; exit 1; }
    touch .venv/ready
fi
tools/deps/step.sh "build/log/pip-$1" "venv: installing $list with pip (about $size MB, half a minute)" \
    .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off --requirement "$list"
touch ".venv/$1.stamp"
