#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the demo: demo.sh unix|cpython|pico|DEVICE PORT. Ctrl-C ends it, and make, in peace.
set -eu

cd "$(dirname "$0")/../.."
case $1 in
unix) run=$("${PYTHON:-/usr/bin/python3}" tools/deps/deps.py --results)/unix/micropython ;;
cpython) run=.venv/bin/python ;;
pico | */* | *:*) run= ;;
*) echo "demo: TARGET is unix, cpython, pico or a serial port, not $1" >&2; exit 2 ;;
esac

# The page with its chart library, compressed, which the program serves from here.
page=build/demo/page
"${PYTHON:-/usr/bin/python3}" tools/board/demo_page.py $page

# The program gets the signal too and ends by itself; we only wait for it.
trap : INT TERM
status=0
if [ "$run" ]; then
    "$run" examples/dashboard.py "$2" --page $page || status=$?
else
    .venv/bin/python tools/board/demo_board.py "$1" "$2" $page || status=$?
fi
[ "$status" -eq 130 ] || exit "$status"
