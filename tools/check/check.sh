#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Format, lint, spelling and types: check.sh [--format]; with --format it changes files instead.
set -u

cd "$(dirname "$0")/../.."
bin=.venv/bin
failed=

c_files=$(find shared cpython micropython_module boards -name '*.[ch]' | sort)
step() {
    name=$1
    shift
    if "$@"; then
        echo "check: $name ok"
    else
        echo "check: $name FAILED" >&2
        failed="$failed $name"
    fi
}

if [ "${1:-}" = --format ]; then
    $bin/python tools/check/stub.py
    # shellcheck disable=SC2086
    $bin/clang-format -i $c_files
    $bin/ruff format --quiet .
    exec $bin/ruff check --fix .
fi

# MicroPython's macros and Mongoose's headers are not given to cppcheck: it reads what is ours.
lint_c() {
    cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c99 --max-configs=8 \
        --enable=warning,performance,portability --suppressions-list=tools/check/cppcheck.txt \
        -I shared -DMG_ARCH=MG_ARCH_CUSTOM shared micropython_module cpython
}

# By its suffix alone do ruff and mypy know Python.
suffixes() {
    bare=$(grep -rlIE '^#!.*python' tools --exclude='*.py')
    [ -z "$bare" ] || { echo "Python without .py in its name: $bare" >&2; return 1; }
}

# shellcheck disable=SC2086
step clang-format $bin/clang-format --dry-run -Werror $c_files
step suffixes suffixes
step "ruff format" $bin/ruff format --check --quiet .
step "ruff check" $bin/ruff check --quiet .
step stub $bin/python tools/check/stub.py --check
step codespell $bin/codespell
step "mypy tools" $bin/mypy
step cppcheck lint_c
step "layers, lwIP backend" ${PYTHON:-/usr/bin/python3} tools/check/layers.py

[ -z "$failed" ] || { echo "check: failed:$failed (make format mends formats)" >&2; exit 1; }
