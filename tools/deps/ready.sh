#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What a run of make would fail by later is said before anything is fetched, each in one line; then
# what is missing comes: packages of Debian, asked for once, and the third-party sources.
#   ready.sh "GOALS" "GROUPS of apt-packages.txt" "SOURCES of deps.py"
# TARGET, BOARD, VARIANT, PORT, DEVICE, K, MICROPYTHON and PYTHON are those of make, by the environment.
set -eu

cd "$(dirname "$0")/../.."
goals=$1 groups=$2 sources=$3
python=${PYTHON:-/usr/bin/python3}
die() { echo "make: $*" >&2; exit 2; }
wanted() { # is one of these a goal?
    for goal; do
        case " $goals " in *" $goal "*) return 0 ;; esac
    done
    return 1
}

# ---- Names ---------------------------------------------------------------------------------------
device() { # a serial port as it is named to make test and make demo
    case $1 in
    /*) [ -e "$1" ] || die "there is no serial port $1: is the board plugged in? ls /dev/tty[AU]* names what is there" ;;
    *) echo "$1" | grep -qE '^([[:alnum:]_]+://.+|auto|[acu][0-9]+|COM[0-9]+)$' ;;
    esac
}
case ${MICROPYTHON:-next} in
next) ;;
*) die "MICROPYTHON=$MICROPYTHON: it is next, or left out" ;;
esac
if wanted demo; then
    # shellcheck disable=SC2086
    set -- ${TARGET:-unix}
    [ $# -eq 1 ] || die "demo runs on one target, not on $*"
    case $1 in
    unix | cpython | pico) ;;
    *) device "$1" || die "TARGET=$1: demo knows unix, cpython, pico and a board's serial port" ;;
    esac
fi
known="cpython, unix, pico and a board's serial port"
targets() { # GOAL "NAME ..." ["or a serial port"]: what its TARGET may have
    wanted "$1" || return 0
    for name in ${TARGET:-}; do
        case " $2 " in *" $name "*) continue ;; esac
        if [ $# -eq 3 ]; then
            device "$name" || die "TARGET=$name: known are $known; spaces are between them"
        else
            die "TARGET=$name: $1 knows $2; spaces are between them"
        fi
    done
}
for each in test test-long; do
    targets $each "cpython unix pico unix-esp32 cpython-poll unix-next pico-next" "or a serial port"
done
targets test-hil "cpython unix pico" "or a serial port"
targets soak "cpython unix pico pico-next"
targets abuse "cpython unix"
board=${BOARD:-RPI_PICO}
case $board in ESP32*) built=yes ;; *) built= ;; esac # flash writes what firmware has built
if wanted firmware firmware-next size || { wanted flash && [ -z "$built" ]; }; then
    tools/build/firmware.sh --check "$board" ${VARIANT:+"$VARIANT"} || exit 2
elif wanted flash && [ ! -e "boards/$board/mpconfigboard.cmake" ]; then
    die "there is no board $board; BOARD= one of: $(cd boards && echo ESP32_* RPI_* W5500_*)"
fi
if wanted flash; then
    case ${DEVICE:-} in /*) [ -e "$DEVICE" ] || die "DEVICE=$DEVICE is not there: is the board plugged in? Without DEVICE= it is looked for" ;; esac
fi

# ---- Python --------------------------------------------------------------------------------------
check_python() {
    case $python in
    */*) [ -e "$python" ] ;;
    *) command -v "$python" >/dev/null ;;
    esac || die "PYTHON=$python is not there: name a Python 3.10 or newer"
    # shellcheck disable=SC2016
    said=$("$python" -c 'print("Python %d %d" % __import__("sys").version_info[:2])' </dev/null 2>/dev/null | head -n 1)
    case $said in
    Python\ [0-9]*\ [0-9]*) ;;
    *) die "PYTHON=$python is no Python that runs: name a Python 3.10 or newer" ;;
    esac
    minor=${said##* } major=${said% *}
    major=${major#* }
    [ "$major" -gt 3 ] || { [ "$major" -eq 3 ] && [ "$minor" -ge 10 ]; } ||
        die "$python is Python $major.$minor; 3.10 or newer is needed: PYTHON= names another"
}
# What makes .venv must be able to; .venv may be there, and not all goals want it.
check_venv() {
    [ ! -e .venv/ready ] || return 0
    for goal in $goals; do
        case $goal in
        unix | unix-next | firmware | firmware-next | pico-firmware | size | rig | pico | deps) continue ;;
        check-esp32 | check-boards | fuzz | countdown | figures | ready | apt-*) continue ;;
        demo) [ "${TARGET:-unix}" != unix ] || continue ;;
        esac
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            die "$python cannot make a venv: install its venv module, or PYTHON= names another"
        return 0
    done
}
# So must what brings the sources.
check_pip() {
    # shellcheck disable=SC2086
    [ -z "$sources" ] || "$python" tools/deps/deps.py --check $sources || exit 2
}
check_k() {
    [ -z "${K:-}" ] || ! wanted test test-long sanitize test-esp32 || "$python" tools/test/pick.py "$K" || exit 2
}
# Debian's may be about to come, and its venv, too.
debian=/usr/bin/python3
if [ "$python" != $debian ]; then
    check_python
    check_venv
    check_pip
    check_k
elif [ -e $debian ]; then
    check_python
    check_k
fi

# ---- The port ------------------------------------------------------------------------------------
taken() { # does something listen there, on 127.0.0.1 or on all addresses?
    hex=$(printf '%04X' "$1")
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        grep -qE "^ *[0-9]+: (0100007F|00000000|0{32}):$hex [0-9A-F]+:0000 0A "
}
if wanted demo pico; then
    port=${PORT:-8000}
    case $port in *[!0-9]* | ??????*) die "PORT=$port is no port: a number up to 65535" ;; esac
    [ "$port" -lt 65536 ] || die "PORT=$port is no port: a number up to 65535"
    if [ "$port" -eq 0 ] && wanted pico; then die "PORT=0 is no port for pico: a number from 1"; fi
    if [ "$port" -ne 0 ] && taken "$port"; then
        die "port $port is taken by another program: make $goals${TARGET:+ TARGET=$TARGET} PORT=$((port % 65000 + 1))"
    fi
fi

# ---- Room ----------------------------------------------------------------------------------------
# What is built comes into this folder, the sources into the cache, which may be on another disk; of
# what apt installs apt itself says whether it fits.
cache=${PYMONGOOSE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pymongoose}
while [ ! -d "$cache" ]; do cache=$(dirname "$cache"); done
here=20 there=0
case "$goals ${TARGET:-unix}" in
"demo unix" | "unix "*) ;;
*) [ -e .venv/ready ] || here=$((here + 230)) ;;
esac
built=0 # by a run that did not end
[ ! -d build/unix ] || built=$(du -sm build/unix | cut -f1)
[ -e build/unix/micropython ] || [ "$built" -ge 90 ] || here=$((here + 90 - built))
case " $groups " in *" pico "*) [ -d build/firmware ] || here=$((here + 130)) ;; esac
[ -z "$sources" ] || [ -e "$cache/deps.json" ] || there=250
disk() { df -Pk "$1" | awk -v "what=$2" 'NR == 2 { print what == "free" ? int($4 / 1024) : $1 " " $6 }'; }
room() { # FOLDER MEGABYTES WORD
    free=$(disk "$1" free)
    [ "$free" -ge "$2" ] ||
        die "$free MB are free on the disk of $1, about $2 MB are needed: make room${3:-}, then run make again"
}
if [ "$(disk . name)" = "$(disk "$cache" name)" ]; then
    room "$PWD" $((here + there))
else
    room "$PWD" "$here"
    room "$cache" "$there" ", or name another place, PYMONGOOSE_CACHE="
fi

# ---- What the machine lacks ----------------------------------------------------------------------
# shellcheck disable=SC2086
tools/deps/apt-needs.sh $groups
command -v gcc >/dev/null || command -v cc >/dev/null ||
    die "there is no C compiler: install gcc or clang and its headers"
if [ "$python" = $debian ]; then # it may just have come
    check_python
    check_k
    check_venv
    check_pip
fi

# One run of deps.py fetches Debian's lists once. Who names folders is asked for the rest by the builds.
[ -z "$sources" ] || [ -n "${MICROPYTHON_DIR:-}${PICO_SDK_PATH:-}" ] ||
    # shellcheck disable=SC2086
    "$python" tools/deps/deps.py $sources >/dev/null
