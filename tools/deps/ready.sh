#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What a run of make would fail by later is said before anything is fetched, each in one line; then
# what is missing comes: packages of Debian, asked for once, and the third-party sources.
#   ready.sh "GOALS" "GROUPS of apt-packages.txt" "SOURCES of deps.py"
# TARGET, BOARD, VARIANT, PORT and PYTHON are those of make, by the environment.
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
    *://* | auto | [acu][0-9]* | COM[0-9]*) ;;
    *) return 1 ;;
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
if wanted test test-long soak; then
    for name in ${TARGET:-}; do
        case $name in
        unix | cpython | pico | unix-esp32 | cpython-poll | unix-next | pico-next) ;;
        *) device "$name" || die "TARGET=$name: known are cpython, unix, pico and a board's serial port; spaces are between them" ;;
        esac
    done
fi
board=${BOARD:-RPI_PICO}
case $board in ESP32*) built=yes ;; *) built= ;; esac # flash writes what firmware has built
if wanted firmware size || { wanted flash && [ -z "$built" ]; }; then
    tools/build/firmware.sh --check "$board" ${VARIANT:+"$VARIANT"}
elif wanted flash && [ ! -e "boards/$board/mpconfigboard.cmake" ]; then
    die "there is no board $board; BOARD= one of: $(cd boards && echo ESP32_* RPI_* W5500_*)"
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
case $python in
/usr/bin/python3) ;; # Debian's, which may be about to come
*) command -v "$python" >/dev/null || die "PYTHON=$python is not there: name a Python 3.10 or newer" ;;
esac
# shellcheck disable=SC2086
tools/deps/apt-needs.sh $groups
command -v gcc >/dev/null || command -v cc >/dev/null ||
    die "there is no C compiler: install gcc or clang and its headers"
"$python" - <<'END' || exit 2
import sys

if sys.version_info < (3, 10):
    sys.exit("make: %s is Python %d.%d; 3.10 or newer is needed: PYTHON= names another" % (sys.executable, *sys.version_info[:2]))
try:
    import ensurepip, venv
except ImportError:
    sys.exit("make: %s cannot make a venv: install its venv module, or PYTHON= names another" % sys.executable)
END

# One run of deps.py fetches Debian's lists once. Who names folders is asked for the rest by the builds.
[ -z "$sources" ] || [ -n "${MICROPYTHON_DIR:-}${PICO_SDK_PATH:-}" ] ||
    # shellcheck disable=SC2086
    "$python" tools/deps/deps.py $sources >/dev/null
