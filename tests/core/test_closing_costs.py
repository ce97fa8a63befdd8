# SPDX-License-Identifier: GPL-2.0-only
"""To close one connection of ten thousand costs what it costs among a thousand. Counted, not timed."""

import subprocess

import pytest
from targets import ROOT


@pytest.fixture(scope="module")
def count(mongoose, tmp_path_factory):
    folder = tmp_path_factory.mktemp("closing")
    off = [f"-DPMG_HAS_{name}=0" for name in ("TLS", "MQTT", "MODBUS", "MDNS", "SNTP", "UTIL")]
    flags = ["-O1", "-w", "-std=gnu11", "-DMG_ARCH=MG_ARCH_CUSTOM", *off]
    flags += [f"-I{ROOT}/shared", f"-I{ROOT}/tests", f"-I{ROOT}/tests/fuzz", f"-I{mongoose}", "-c"]
    shared = [p for p in (ROOT / "shared").glob("*/*.c") if p.parent.name not in ("tls", "mdns")]
    # Several of one name: each part is compiled in a folder of its own.
    for part in sorted({p.parent.name for p in shared}):
        (folder / part).mkdir()
        sources = [p for p in shared if p.parent.name == part]
        subprocess.run(
            ["cc", *flags, "-fsanitize-coverage=trace-pc", *sources], cwd=folder / part, check=True
        )
    counted = ["cc", *flags, "-fsanitize-coverage=trace-pc", f"{mongoose}/mongoose.c"]
    subprocess.run(counted, cwd=folder, check=True)
    plain = [
        ROOT / "tests" / name
        for name in ("fuzz/net.c", "fuzz/net_wait.c", "fuzz/port.c", "peers/closing.c")
    ]
    subprocess.run(["cc", *flags, *plain], cwd=folder, check=True)
    objects = sorted(folder.glob("**/*.o"))
    subprocess.run(["cc", "-o", "closing", *objects], cwd=folder, check=True)

    def run(n):
        done = subprocess.run([folder / "closing", str(n)], capture_output=True, check=True)
        return int(done.stdout)

    return run


def test_closing_one_of_ten_thousand(count):
    few, many = count(1000), count(10000)
    assert 10 < few < 2000 and many <= few * 1.1
