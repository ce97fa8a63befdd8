#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the demo: demo.sh unix|cpython|pico|DEVICE PORT. Ctrl-C ends it, and make, in peace.
set -eu

cd "$(dirname "$0")/../.."
case $1 in
unix) run=build/unix/micropython ;;
cpython) run=.venv/bin/python ;;
pico | */* | *:*) run= ;;
*) echo "demo: TARGET is unix, cpython, pico or a serial port, not $1" >&2; exit 2 ;;
esac

# The page's chart library, which the program serves from here.
chart=$("${PYTHON:-/usr/bin/python3}" tools/deps/deps.py --path chartjs)
mkdir -p build/demo
cp -p "$chart/chart.min.js" build/demo/

# The program gets the signal too and ends by itself; we only wait for it.
trap : INT TERM
status=0
if [ "$run" ]; then
    "$run" examples/dashboard.py "$2" || status=$?
else
    .venv/bin/python tools/board/demo_board.py "$1" "$2" build/demo/chart.min.js || status=$?
fi
[ "$status" -eq 130 ] || exit "$status"
