# SPDX-License-Identifier: GPL-2.0-only
"""Which functions of Mongoose are linked: docs/security.md says what that means, and names them."""

import re
import subprocess

import pytest
from targets import ROOT

SOURCES = ("shared", "cpython", "micropython_module")
NAMES = re.compile(r"\bmg_[a-z0-9_]+(?=\()")


def called():
    """By ours. What a comment names counts, too: it is written `mg_x()` where that is not linked."""
    found = set()
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".c", ".h", ".pyx", ".pxi", ".pxd") and "build" not in path.parts:
                text = re.sub(r"//.*|/\*.*?\*/", "", path.read_text())
                found |= set(NAMES.findall(text))
    return found


def symbols(path, kinds):
    run = ["nm", "--defined-only", path]
    lines = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[2] for line in lines if line.split()[1] in kinds}


@pytest.fixture(scope="module")
def linked(mongoose, tmp_path_factory):
    """All that comes along with what is called, as the linker has it."""
    folder = tmp_path_factory.mktemp("mongoose")
    flags = [
        "-O1",
        "-w",
        "-fno-inline",
        "-ffunction-sections",
        "-fdata-sections",
        "-DMG_ARCH=MG_ARCH_CUSTOM",
    ]
    flags += ["-fno-asynchronous-unwind-tables", f"-I{ROOT}/shared", f"-I{mongoose}"]
    subprocess.run(["cc", *flags, "-c", f"{mongoose}/mongoose.c"], cwd=folder, check=True)
    ours = sorted(called() & symbols(folder / "mongoose.o", "T"))
    names = "".join(f"(void *){name}, " for name in ours)
    declared = "".join(f"void {name}(void);\n" for name in ours)
    (folder / "main.c").write_text(
        f"{declared}void *volatile used[] = {{{names}}};\nint main(void) {{ return used[0] != 0; }}\n"
    )
    run = [
        "cc",
        "-w",
        "-no-pie",
        "main.c",
        "mongoose.o",
        "-Wl,--gc-sections,--unresolved-symbols=ignore-all",
    ]
    subprocess.run([*run, "-o", "main"], cwd=folder, check=True)
    return {name for name in symbols(folder / "main", "Tt") if name.startswith("mg_")}


def test_the_list_holds(linked):
    page = (ROOT / "docs/security.md").read_text()
    listed = set(page.split("<!-- linked -->")[1].replace("`", "").replace(",", " ").split())
    assert linked == listed


def test_nothing_of_it_reads_what_a_peer_sends(linked):
    """Framing, TLS, sockets and files are ours, of Mbed TLS and of the system."""
    peers = re.compile(
        r"mg_(tls|http|ws|mqtt|dns|mdns|sntp|json|tcpip|l[234]|ota|file|fs|modbus|rpc)_"
    )
    assert [name for name in sorted(linked) if peers.match(name)] == []
