#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The source distribution and the wheel as a user has them: try.sh
# What release.py builds from HEAD, the wheel without a network, is installed outside of the checkout, where
# no compiler is in PATH, and serves. Then what goes wrong: no compiler, a distribution that is not whole,
# a wheel of another platform.
set -eu

cd "$(dirname "$0")/../.."
top=$PWD
python=.venv/bin/python
system=${PYTHON:-/usr/bin/python3}
out=build/release-ci
tools/deps/step.sh build/log/release-ci "release: building the source distribution, and from it the wheel" \
    $python tools/release/release.py --out "$top/$out" --only sdist,wheels,stubs,sbom --trial --python "$system"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { echo "release: $*"; }
die() { echo "release: error: $*" >&2; exit 1; }

# No compiler, no tool: Python and what it needs alone.
mkdir "$work/bin"
"$system" -m venv "$work/venv"
bare() { env -i PATH="$work/bin" HOME="$work" PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1 "$@"; }
cd "$work"
bare venv/bin/python -m pip install -q --no-index "$top/$out"/pymongoose_net-*.whl "$top/$out"/pymongoose_stubs-*.whl
bare venv/bin/python "$top/tests/project/serves.py"
bare venv/bin/python -m pymongoose.flash --help >/dev/null
say "the wheel is installed and serves, without a compiler"

refuses() { # WORDS COMMAND ...
    words=$1
    shift
    if "$@" >log 2>&1; then die "this was not refused: $*"; fi
    grep -q -- "$words" log || { cat log >&2; die "no '$words' was said"; }
}
pip="venv/bin/python -m pip install --no-index --force-reinstall"
sdist=$(echo "$top/$out"/pymongoose_net-*.tar.gz)
# shellcheck disable=SC2086
refuses "there is no C compiler" bare CC=none $pip "$sdist"
mkdir tree
tar -xf "$sdist" -C tree --strip-components=1
rm tree/third_party/mongoose/mongoose.c
# shellcheck disable=SC2086
refuses "third_party/mongoose/mongoose.c is missing" bare PATH="$PATH" $pip ./tree
head -c 100000 "$sdist" >half-0.1.0.tar.gz
# shellcheck disable=SC2086
refuses "end-of-stream\|unexpected end" bare $pip ./half-0.1.0.tar.gz
for wheel in "$top/$out"/pymongoose_net-*.whl; do
    cp "$wheel" "$(basename "$wheel" | sed 's/manylinux.*/win_amd64.whl/')"
done
# shellcheck disable=SC2086
refuses "not a supported wheel on this platform" bare $pip ./pymongoose_net-*-win_amd64.whl
say "what is wrong is named: no compiler, half a distribution, another platform's wheel"
