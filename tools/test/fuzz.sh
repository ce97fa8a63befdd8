#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The core in memory (tests/fuzz/), built with the sanitizers of clang, of gcc and for 32 bits:
#   fuzz.sh fuzz [ONLY] [TIME]   each target, or those named in ONLY: its whole corpus, then new inputs;
#                                TIME is the seconds of all together, 60; 0: the corpus alone.
#   fuzz.sh countdown            everything that can fail fails, once each (tests/fuzz/countdown.c)
#   fuzz.sh keep                 packs what runs have found into tests/fuzz/corpus
# What crashes is kept in build/fuzz/found/ and makes the run fail. KINDS="clang board" takes fewer builds.
set -eu

cd "$(dirname "$0")/../.."
top=build/fuzz
export PYTHON="${PYTHON:-/usr/bin/python3}"
export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1

build() { # KIND ...
    for kind; do
        mkdir -p "$top/$kind"
        # Good for localhost, and for longer than anybody will run this.
        [ -s "$top/$kind/cert.pem" ] || openssl req -x509 -newkey ec -nodes -days 36500 \
            -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=localhost \
            -addext "subjectAltName=DNS:localhost" \
            -keyout "$top/$kind/key.pem" -out "$top/$kind/cert.pem" 2>/dev/null
        tools/deps/step.sh "$top/$kind/log" "fuzz: building the core in memory: $kind (a minute or two)" \
            make -f tests/fuzz/build.mk KIND="$kind" O="$top/$kind" -j "$(nproc)"
    done
}

# A target that was run by a program of one kind; its new inputs go to the corpus in build/.
run() { # KIND TARGET SECONDS
    corpus=$top/corpus/$2 log=$top/log/$1-$2
    mkdir -p "$top/log" "$top/found"
    set -- "$1" "$2" "$3" "$corpus" -max_len=8192 -artifact_prefix="$top/found/$2-" -print_final_stats=1
    kind=$1 target=$2 time=$3
    shift 3
    ok=0
    PMG_FUZZ_TARGET=$target "$top/$kind/fuzz" -runs=0 "$@" >"$log" 2>&1 || ok=1
    if [ "$ok" = 0 ] && [ "$time" -gt 0 ]; then
        PMG_FUZZ_TARGET=$target "$top/$kind/fuzz" -max_total_time="$time" "$@" >"$log" 2>&1 || ok=1
    fi
    cov=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    units=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    if [ "$ok" = 0 ]; then
        printf '%-6s %-14s %9s executions, %5s edges\n' "$kind" "$target" "${units:-?}" "${cov:-?}"
    else
        printf '%-6s %-14s FAILED: %s, %s\n' "$kind" "$target" "$log" \
            "$(grep -m 1 -E 'ERROR|runtime error|left:|no answer|outside' "$log" || tail -n 1 "$log")"
        return 1
    fi
}

fuzz() { # ONLY TIME
    kinds=${KINDS:-clang board}
    # shellcheck disable=SC2086
    build $kinds
    "$PYTHON" tests/fuzz/seeds.py unpack "$top/corpus"
    targets=$(PMG_FUZZ_TARGET=list "$top/${kinds%% *}/fuzz" 2>/dev/null)
    if [ -n "$1" ]; then
        wanted=$(echo "$1" | tr , ' ')
        for name in $wanted; do
            echo "$targets" | grep -qx "$name" || { echo "fuzz: there is no target $name: ONLY= takes" $targets >&2; exit 2; }
        done
        targets=$wanted
    fi
    each=$(($2 / ($(echo "$targets" | wc -w) * $(echo "$kinds" | wc -w))))
    [ "$2" -eq 0 ] || [ "$each" -gt 0 ] || each=1
    failed=0
    for kind in $kinds; do
        for target in $targets; do
            run "$kind" "$target" "$each" || failed=1
        done
    done
    return $failed
}

countdown() {
    kinds=${KINDS:-clang gcc}
    # shellcheck disable=SC2086
    build $kinds
    mkdir -p "$top/log"
    failed=0
    for kind in $kinds; do
        if "$top/$kind/countdown" >"$top/log/$kind-countdown" 2>&1; then
            echo "countdown: $kind: $(tail -n 1 "$top/log/$kind-countdown")"
        else
            echo "countdown: $kind FAILED: $top/log/$kind-countdown"
            tail -n 30 "$top/log/$kind-countdown"
            failed=1
        fi
    done
    return $failed
}

case ${1:-} in
fuzz) fuzz "${2:-}" "${3:-60}" ;;
countdown) countdown ;;
keep)
    for corpus in "$top"/corpus/*; do
        least=$top/least/$(basename "$corpus")
        rm -rf "$least"
        mkdir -p "$least"
        PMG_FUZZ_TARGET=$(basename "$corpus") "$top/clang/fuzz" -merge=1 "$least" "$corpus" >/dev/null 2>&1
    done
    "$PYTHON" tests/fuzz/seeds.py pack "$top/least"
    ;;
*)
    sed -n '3,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
