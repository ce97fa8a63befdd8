#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Install what a group of make targets lacks from Debian: apt-needs.sh GROUP ...
# As root or with a passwordless sudo it installs, else it prints the line that does.
# apt-needs.sh --have GROUP ... only says by its exit status whether all is there.
set -eu

only_ask=
if [ "${1:-}" = --have ]; then only_ask=yes; shift; fi

list=$(dirname "$0")/apt-packages.txt
PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin
export PATH LC_ALL=C

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    [ -x "${PYTHON:-/usr/bin/python3}" ] && exit 0
    echo "apt-needs: not a Debian machine: install a C compiler, make and Python's headers;" >&2
    echo "apt-needs: PYTHON=/path/to/python3 names the Python to use" >&2
    exit 1
fi

# The packages of the named groups, less those whose file is there.
wanted=
while read -r group package file; do
    case " $* " in *" $group "*) ;; *) continue ;; esac
    if [ -z "$file" ] || [ ! -e "$file" ]; then wanted="$wanted $package"; fi
done <"$list"

missing=
# shellcheck disable=SC2086
installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' $wanted 2>/dev/null || true)"
for package in $wanted; do
    case $installed in *" installed=$package "*) ;; *) missing="$missing $package" ;; esac
done
[ -n "$missing" ] || exit 0
[ -z "$only_ask" ] || exit 1

install="apt-get install --yes --no-install-recommends$missing"
root=
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "apt-needs: these packages are missing and need root to install. As root, run:" >&2
        echo "    apt-get update && $install" >&2
        exit 1
    fi
    root="sudo -n"
fi
here=$(dirname "$0")
log=$here/../../build/log/apt
# How apt is called, for step.sh. Debian's mirrors sometimes lose a connection; what was installed
# need not lie there as packages, too.
run="$root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2"
run="$run -o APT::Keep-Downloaded-Packages=false"
update() {
    # shellcheck disable=SC2086
    "$here/step.sh" "$log" "apt-needs: fetching the package lists (about 10 MB)" $run update || exit 1
}
# A word before apt counts: that takes seconds.
echo "apt-needs: Debian's packages are missing:$missing" >&2
# A run that was cut off, by a full disk for one, leaves packages that are half installed, with which apt
# does nothing else.
mend() {
    # shellcheck disable=SC2086
    $run check >/dev/null 2>&1 ||
        "$here/step.sh" "$log" "apt-needs: completing what an earlier run had begun" \
            sh -c "$root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a; $run install --yes --fix-broken"
}
fetch_and_install() {
    mend || true
    # shellcheck disable=SC2086
    size=$($run install --assume-no --no-install-recommends $missing 2>/dev/null |
        sed -n 's/^Need to get \([^/ ]* [kMG]*B\).*/\1/p') || true
    # shellcheck disable=SC2086
    "$here/step.sh" "$log" "apt-needs: installing them (${size:-size unknown}, some minutes)" \
        $run install --yes --no-install-recommends $missing
}

if ! "$here/network.sh" apt apt-needs; then
    # What a run that was interrupted has fetched is installed all the same.
    # shellcheck disable=SC2086
    $run install --assume-no --no-install-recommends $missing 2>/dev/null | grep -q '^Need to get 0 B' || exit 1
    echo "apt-needs: all of them are here already: going on" >&2
fi

fresh=$(find /var/lib/apt/lists -name '*_Packages*' -mtime -7 2>/dev/null | head -n 1)
[ -n "$fresh" ] || update
if ! fetch_and_install; then
    [ -n "$fresh" ] && update && fetch_and_install || {
        echo "apt-needs: apt could not install:$missing" >&2
        exit 1
    }
fi
