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
def bounds(mongoose, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bounds")
    common = "-w -g -ffunction-sections -fdata-sections -DMG_ARCH=MG_ARCH_CUSTOM".split()
    common += [f"-I{ROOT}/shared", f"-I{mongoose}"]
    # Of Mongoose nothing is linked but its functions of text.
    theirs = ["cc", "-O0", *common, "-c", f"{mongoose}/mongoose.c"]
    subprocess.run(theirs, cwd=folder, check=True)
    # The sanitizer's list of globals would keep what is not called, and that calls the rest of us.
    flags = ["-O1", "-fsanitize=address", "--param=asan-globals=0", "-Wl,--gc-sections"]
    files = [f"{ROOT}/shared/{name}.c" for name in SOURCES]
    files += [f"{ROOT}/tests/peers/bounds.c", "mongoose.o"]
    subprocess.run(["cc", *flags, *common, "-o", "bounds", *files], cwd=folder, check=True)
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
