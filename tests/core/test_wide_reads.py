# SPDX-License-Identifier: GPL-2.0-only
"""What looks at many bytes at a time reads and writes none that it was not given.

peers/bounds.c tries each such function on every length and alignment, beside pages that nobody may
touch and in memory of AddressSanitizer that ends where the text does.
"""

import subprocess

import pytest
from targets import ROOT

SOURCES = "base/mem base/text base/utf8 http/head http/http http/message ws/frame".split()


@pytest.fixture(scope="module")
def bounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bounds")
    found = subprocess.run(
        [ROOT / "tools/deps/deps.py", "--path", "mongoose"],
        capture_output=True,
        text=True,
        check=True,
    )
    mongoose = found.stdout.strip()
    flags = "-O1 -w -g -ffunction-sections -fdata-sections -DMG_ARCH=MG_ARCH_CUSTOM".split()
    # The sanitizer's list of globals would keep what is not called, and that calls the rest of us.
    flags += ["-fsanitize=address", "--param=asan-globals=0", "-Wl,--gc-sections"]
    files = [f"{ROOT}/shared/{name}.c" for name in SOURCES]
    files += [f"{mongoose}/mongoose.c", f"{ROOT}/tests/peers/bounds.c"]
    includes = [f"-I{ROOT}/shared", f"-I{mongoose}"]
    subprocess.run(["cc", *flags, *includes, "-o", "bounds", *files], cwd=folder, check=True)
    return folder / "bounds"


NAMES = ["utf8", "mask", "blank", "value", "head"]


@pytest.mark.parametrize("name", NAMES)
def test_none_beyond(bounds, name):
    done = subprocess.run([bounds, name], capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("name", NAMES)
def test_one_beyond_is_seen(bounds, name):
    done = subprocess.run([bounds, name, "past"], capture_output=True, text=True, errors="replace")
    assert done.returncode != 0, "a byte too many was not seen"
