#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The HIL kit as a user has it: hil.sh [TARGETS]
# The wheel in a virtual environment with nothing else but pytest-embedded, outside of the checkout:
# examples/hil on all TARGETS ("cpython unix pico"), pytest-embedded beside the plugin; on an emulated board
# programs that go wrong, the first test of docs/hil.md, and a board that is unplugged. What is named must
# have been built.
set -eu

cd "$(dirname "$0")/../.."
top=$PWD
targets=${1:-cpython unix pico}
dist=build/hil
python=.venv/bin/python
rm -rf "$dist" && mkdir -p "$dist" build/log
work=$(mktemp -d)
rig=
trap 'exec 9>&- 2>/dev/null || true; [ -z "$rig" ] || kill "$rig" 2>/dev/null || true; rm -rf "$work"' EXIT

# In build/cpython, where it was compiled already.
tools/deps/step.sh build/log/hil-wheel "hil: building the wheel" \
    $python -m pip wheel --disable-pip-version-check --no-build-isolation --no-deps --no-index \
    --config-settings=build-dir=build/cpython \
    --config-settings=cmake.define.MONGOOSE_DIR="$($python tools/deps/deps.py --path mongoose)" \
    --config-settings=cmake.define.MBEDTLS_DIR="$($python tools/deps/deps.py --path mbedtls)" \
    --wheel-dir "$dist" .
wheel=$(echo "$top/$dist"/*.whl)
tools/deps/network.sh pip hil
$python -m venv "$work/venv"
tools/deps/step.sh build/log/hil-pip "hil: installing it into a virtual environment of its own" \
    "$work/venv/bin/pip" install --disable-pip-version-check --progress-bar off \
    --constraint tests/requirements.txt --requirement tools/deps/requirements-hil.txt "$wheel[testing]"

options=
for each in $targets; do options="$options --pmg-target=$each"; done
options="$options --pmg-firmware=$top/build/unix/micropython"
options="$options --pmg-firmware=$top/build/firmware/RPI_PICO/firmware.uf2"
run() { # NAME ARGUMENT ...: pytest in a folder without any of the checkout
    name=$1
    shift
    printf '\n== hil: %s\n' "$name"
    (cd "$work/$name" && "$work/venv/bin/python" -m pytest -p no:cacheprovider -q -rs --durations=5 "$@")
}

mkdir -p "$work/project/examples"
cp -r examples/hil "$work/project/examples/"
touch "$work/project/pytest.ini"
# shellcheck disable=SC2086
run project $options examples/hil

mkdir "$work/beside" && touch "$work/beside/pytest.ini"
cp tests/hil/beside_embedded.py "$work/beside/test_beside.py"
run beside --pmg-target=cpython --target=esp32 --port=/dev/null --baud=9600

case " $targets " in *" pico "*) ;; *) exit 0 ;; esac
# At the desk tests/hil/test_kit.py has them all.
mkdir "$work/faults" && touch "$work/faults/pytest.ini"
cp tests/hil/faults.py "$work/faults/test_faults.py"
$python tests/hil/from_docs.py "$work/faults"
run faults --pmg-target=pico "--pmg-firmware=$top/build/firmware/RPI_PICO/firmware.uf2" \
    -k "lamp or raises or floods or exits or left_running or catches_all or after or heap or resets or test_pins or wifi"

mkdir "$work/board" && touch "$work/board/pytest.ini"
cp tests/hil/boards.py "$work/board/test_board.py"
mkfifo "$work/control"
$python boards/rig/rig.py --control <"$work/control" >"$work/events" &
rig=$!
exec 9>"$work/control"
port=
while kill -0 "$rig" && [ -z "$port" ]; do
    port=$(sed -n 's/.*"event": "ready", "serial": \([0-9]*\).*/\1/p' "$work/events")
    sleep 0.2
done
PMG_TEST_RIG=$rig run board "--pmg-target=socket://127.0.0.1:$port"
