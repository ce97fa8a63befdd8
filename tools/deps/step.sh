#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run what may take long, its output in a log: step.sh LOG "WHAT (HOW LONG)" COMMAND ...
# What takes no longer than two seconds is silent. Else WHAT is said and that it goes on: on a
# terminal in one line that is renewed, elsewhere in a line every 20 s. On failure the log's errors
# are shown and where it lies. VERBOSE=1, by make V=1: the output as it comes, and no log.
set -u

log=$1 what=$2
shift 2
case ${VERBOSE:-} in '' | 0) ;; *) echo "$what" >&2; exec "$@" >&2 ;; esac

mkdir -p "$(dirname "$log")"
: >"$log" || exit 1
begun=$(date +%s)
seconds() { echo $(($(date +%s) - begun)); }

# Beside the command, not the command beside it: a shell has its background ignore Ctrl-C.
tell() {
    every=20
    [ ! -t 2 ] || every=1
    sleep 2 >/dev/null 2>&1
    echo "$what" >&2
    count=0
    while sleep 1 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        count=$((count + 1))
        [ $((count % every)) -eq 0 ] || continue
        line="  $(seconds) s: $(tail -n 1 "$log" | tr -d '\r' | tr -c '[:print:]\n' ' ')"
        line=$(printf '%.78s' "$line")
        if [ -t 2 ]; then printf '\r\033[K%s' "$line" >&2; else echo "$line" >&2; fi
    done
}
tell </dev/null 8>&- 9>&- &
teller=$!
hush() {
    kill "$teller" 2>/dev/null
    wait "$teller" 2>/dev/null
    [ ! -t 2 ] || printf '\r\033[K' >&2
}
trap 'hush; exit 130' INT
trap 'hush; exit 143' TERM

status=0
"$@" >>"$log" 2>&1 </dev/null || status=$?
trap - INT TERM
hush

if [ "$status" -ne 0 ]; then
    {
        grep -E '(^|[^-[:alnum:]])(error|Error|ERROR|E):|overflowed by [0-9]|undefined reference to' "$log" ||
            tail -n 20 "$log"
    } | cut -c1-300 | tail -n 20 >&2
    name=${what%%:*}
    if grep -q 'No space left on device' "$log"; then
        echo "$name: the disk is full: make room, then run make again; it goes on from here" >&2
    elif grep -qE 'Temporary failure (in|resolving)|Could not resolve|Network is unreachable|Failed to establish a new connection' "$log"; then
        echo "$name: no network, or no way to the packages: run make again when there is; it goes on from here" >&2
    elif grep -q 'overflowed by [0-9]* bytes' "$log"; then
        echo "$name: too large for the chip: leave features out, docs/size.md says what each takes" >&2
    fi
    echo "$name: failed; all of it: $log" >&2
elif [ "$(seconds)" -gt 2 ]; then
    echo "  done in $(seconds) s" >&2
fi
exit "$status"
