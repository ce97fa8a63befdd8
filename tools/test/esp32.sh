#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the suite on a unix build whose sockets are those of an ESP32: esp32.sh [K]
# boards/esp32/check/unix says what that means; build/unix-esp32 is where it is built, and
# unix-esp32 is the target's name. What needs more sockets than such a board has is skipped by
# probed capabilities.
#
# Left out, since no socket of a device is in it: what needs no target, builds, the documentation, the
# stub, and Python that opens nothing.
set -eu

cd "$(dirname "$0")/../.."
tools/build/unix.sh build/unix-esp32 PMG_CFLAGS="-O1 -DPMG_IO_ESP=1 -I$PWD/boards/esp32/check/unix"

left_out="docs_tables stub deps docs docs_output jwt json url hashes"
set -- ${1:+-k "$1"}
for name in $left_out; do
    set -- "$@" --ignore-glob "*/test_$name.py"
done
echo "test-esp32: left out, without sockets: $left_out, and builds" >&2
# Most of a run is waiting: four of them take a quarter of the time. What a module's tests share, as
# ports and mDNS, stays in one.
exec .venv/bin/python -m pytest tests --target unix-esp32 -n 4 --dist loadfile \
    --only targets "$@" \
    --deselect "tests/api/test_api.py::test_a_new_row_is_all_that_a_new_constant_takes"
