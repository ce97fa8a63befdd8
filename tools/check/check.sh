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

# A full checkout of MicroPython has Mbed TLS 3.6.2, and ESP-IDF up to v5.4 one as old. Before 3.6.3
# ssl_misc.h did not include common.h: so arranged, tls12_pss.h must compile, too.
compile_pss() {
    tree=$("${PYTHON:-/usr/bin/python3}" tools/deps/deps.py --path mbedtls) || return 1
    old=build/check/mbedtls-3.6.2
    rm -rf "$old" && mkdir -p "$old" && cp "$tree"/library/*.h "$tree/library/ssl_tls12_client.c" "$old" &&
        sed -i '/#include "common.h"/d' "$old/ssl_misc.h" || return 1
    for library in "$old" "$tree/library"; do
        cc -O1 -Wall -Werror -c -o /dev/null -DMBEDTLS_CONFIG_FILE='"tls/mbedtls_config.h"' -Ishared \
            -I"$tree/include" -include shared/tls/tls12_pss.h -I"$library" "$library/ssl_tls12_client.c" ||
            return 1
    done
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
step "Mbed TLS 3.6.2" compile_pss

[ -z "$failed" ] || { echo "check: failed:$failed (make format mends formats)" >&2; exit 1; }
