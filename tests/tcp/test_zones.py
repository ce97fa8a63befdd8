# SPDX-License-Identifier: GPL-2.0-only
"""IPv6 zones where interfaces have chosen numbers: in a network of its own, with pairs of interfaces."""

import subprocess

import pytest
from peers.namespace import UNSHARE
from targets import ProcessDevice

pytestmark = pytest.mark.needs("namespaces")

NUMBERS = (5, 255, 300)
PAIRS = "; ".join(
    f"ip link add i{n} index {n} type veth peer name p{n} && ip link set i{n} up && "
    f"ip link set p{n} up && ip addr add fe80::5/64 dev i{n} nodad || exit 9"
    for n in NUMBERS
)

SCRIPT = """
m = Manager()

def zone(text):
    try:
        c = m.listen("tcp://[fe80::5%" + text + "]:0")
    except (ValueError, Error) as e:
        return str(e)
    c.close()
    return c.local_addr[0]

serve(m)
"""


@pytest.fixture(scope="module")
def pairs():
    run = subprocess.run(["unshare", "--map-root-user", "--net", "sh", "-c", PAIRS])
    if run.returncode:
        pytest.skip("this computer has no pairs of interfaces (ip link add type veth)")


NONE = "stands a network interface"


# Both: of computers, and of where interfaces have no names for us, but numbers up to 249 (ESP-IDF).
@pytest.mark.parametrize(
    ("zone", "taken", "by_number"),
    [
        ("5", 5, 5),
        ("i5", 5, NONE),
        ("25i5", 5, NONE),
        ("255", "write it behind %25", 5),  # or 5, escaped
        ("25255", 255, NONE),
        ("i255", 255, NONE),
        ("300", 300, NONE),
        ("i300", 300, NONE),
        ("77", NONE, "No such device"),
        ("x", NONE, NONE),
        ("4294967296", NONE, NONE),
        ("4294967301", NONE, NONE),  # 5 in 32 bits
    ],
)
def test_zones_by_name_and_number(pairs, target, tmp_path, request, zone, taken, by_number):
    if "interface-names" not in target.capabilities:
        taken = by_number
    folder = tmp_path / "etc"
    folder.mkdir()
    script = tmp_path / "script.py"
    script.write_text(target.text(SCRIPT, {}, ProcessDevice))
    program = [str(target.program), *target.options, str(script)]
    shell = ["/bin/sh", "-c", f'{PAIRS}; exec "$@"', "sh", *program]
    running = ProcessDevice([*UNSHARE, str(folder), *shell], target.env)
    request.node.devices = [running]
    try:
        running.expect("SERVING", 20)
        got = running.eval(f"zone({zone!r})")
        if isinstance(taken, int):
            assert got == f"fe80::5%{taken}"
        else:
            assert taken in got
        running.stop()
    finally:
        running.kill()
