#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Wheels for the Pythons that Debian's releases have, as root: chroots.sh OUT [SUITE ...]
# Each is built from OUT's source distribution in a chroot with a compiler and Python alone, without a network,
# gets its manylinux tag by auditwheel, and is installed and asked in a bare chroot, which has no compiler.
# The chroots, 300 to 700 MB each, stay in CHROOTS, build/chroots, for the next time.
set -euo pipefail

cd "$(dirname "$0")/../.."
top=$PWD
out=$(realpath "${1:?usage: chroots.sh OUT [SUITE ...]}")
shift
suites=${*:-bookworm trixie sid}
chroots=${CHROOTS:-$top/build/chroots}
# Besides a suite's own python3.
declare -A more=([sid]=3.15)
say() { echo "chroots: $*"; }
die() { echo "chroots: error: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "a chroot is made by root: sudo make wheels"
command -v debootstrap >/dev/null || die "apt install debootstrap"
sdist=$(echo "$out"/pymongoose_net-*.tar.gz)
[ -f "$sdist" ] || die "there is no source distribution in $out"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"

chroot_of() { # NAME SUITE PACKAGES
    local root=$chroots/$1
    [ -e "$root.ready" ] && return
    say "making $1"
    rm -rf --one-file-system "$root"
    mkdir -p "$chroots"
    debootstrap --variant=minbase --include="$3" "$2" "$root" >"$root.log" 2>&1 || die "debootstrap failed: $root.log"
    touch "$root.ready"
}
# Without a network but for the loopback, in mounts of its own.
inside() { # NAME COMMAND ...
    local root=$chroots/$1
    shift
    # shellcheck disable=SC2016
    unshare --mount --net sh -c 'root=$1; shift
        mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"; mount --make-rslave "$root/dev"
        (exec 2>/dev/null; ip link set lo up || ifconfig lo up)
        exec chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
            SOURCE_DATE_EPOCH="$0" PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 "$@"' \
        "$SOURCE_DATE_EPOCH" "$root" "$@"
}
fresh() { # NAME: its folder for us, emptied
    rm -rf "$chroots/$1/work"
    mkdir "$chroots/$1/work"
}

for suite in $suites; do
    venvs=python3-venv headers=libpython3-dev pythons=python3
    for version in ${more[$suite]:-}; do
        venvs+=,python$version-venv
        headers+=,libpython$version-dev
        pythons+=" python$version"
    done
    chroot_of "$suite" "$suite" "$venvs"
    chroot_of "$suite-build" "$suite" "$venvs,gcc,libc6-dev,$headers"
    for python in $pythons; do
        fresh "$suite-build"
        cp "$sdist" "$chroots/$suite-build/work/"
        inside "$suite-build" sh -ec "cd /work; $python -m venv venv
            venv/bin/python -m pip -q wheel --no-index --no-deps -w raw ./*.tar.gz"
        PATH="$top/.venv/bin:$PATH" .venv/bin/auditwheel repair --wheel-dir "$chroots/$suite-build/work/whole" \
            "$chroots/$suite-build"/work/raw/*.whl >"$chroots/$suite.log" 2>&1 ||
            die "auditwheel: $(tail -n 5 "$chroots/$suite.log")"
        wheel=$(echo "$chroots/$suite-build"/work/whole/*.whl)

        fresh "$suite"
        cp "$wheel" tests/project/serves.py "$chroots/$suite/work/"
        inside "$suite" sh -ec "cd /work; ! command -v cc; ! command -v gcc; $python -m venv venv
            venv/bin/python -m pip -q install --no-index ./*.whl
            venv/bin/python serves.py >said; venv/bin/python -m pymongoose.flash --help >/dev/null" ||
            die "$(basename "$wheel") does not serve in $chroots/$suite"
        cp "$wheel" "$out/"
        say "$suite: $(inside "$suite" "$python" --version), $(basename "$wheel"), $(stat -c %s "$wheel") bytes:" \
            "built without a network, installed and $(cat "$chroots/$suite/work/said") without a compiler"
    done
done
