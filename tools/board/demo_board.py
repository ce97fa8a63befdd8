#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Serve the demo page from a board: demo_board.py pico|DEVICE PORT PAGE. Ctrl-C ends it.

PAGE is the folder that demo_page.py laid. pico is the emulated board; DEVICE is a board's serial
port, such as /dev/ttyACM0 or /dev/ttyUSB0, whose boot.py brings up a network, or WIFI_SSID and
WIFI_PSK of the environment name the Wi-Fi that it joins. Files that the board already has are not
copied again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "cpython" / "testing"))
from targets.board_network import NetworkError, find_address, wanted_wifi  # noqa: E402

EXAMPLES = TOP / "examples"
FLASH = TOP / "build/demo/pico-flash.bin"
BOARD_PORT = 8000
RUN = """
import sys
sys.argv[:] = ["dashboard.py", "{port}", "--host", "0.0.0.0"]
__file__ = "/dashboard.py"
exec(open("/dashboard.py").read())
"""


def say(text: str) -> None:
    print(f"demo: {text}", file=sys.stderr, flush=True)


def next_event(rig: subprocess.Popen[str], *names: str) -> dict[str, Any]:
    assert rig.stdout
    for line in rig.stdout:
        event: dict[str, Any] = json.loads(line)
        if "error" in event:
            sys.exit(f"demo: {event['error']}; PORT= names another")
        if event.get("event") in names or ("answer" in event and "answer" in names):
            return event
    sys.exit("demo: the emulated board did not start")


@contextlib.contextmanager
def emulated(port: int) -> Iterator[tuple[str, str]]:
    """The serial port and the page's address of an emulated board."""
    say("starting the emulated board")
    FLASH.parent.mkdir(parents=True, exist_ok=True)
    rig = subprocess.Popen(
        [sys.executable, str(TOP / "boards/rig/rig.py"), "--control", "--flash", str(FLASH)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert rig.stdin
    try:
        serial = next_event(rig, "ready")["serial"]
        command = {"do": "forward", "port": BOARD_PORT, "host_port": port}
        rig.stdin.write(json.dumps(command) + "\n")
        rig.stdin.flush()
        found = next_event(rig, "answer")["port"]
        yield f"socket://127.0.0.1:{serial}", f"127.0.0.1:{found}"
    finally:
        rig.stdin.close()
        rig.wait()


def copy(board: SerialTransport, page: Path) -> None:
    files = {"/dashboard.py": EXAMPLES / "dashboard.py"}
    files |= {f"/dashboard/{p.name}": p for p in sorted((EXAMPLES / "dashboard").glob("*.py"))}
    files |= {f"/dashboard/page/{p.name}": p for p in sorted(page.iterdir())}
    for folder in ("/dashboard", "/dashboard/page"):
        with contextlib.suppress(TransportError, OSError):
            board.fs_mkdir(folder)
    for number, (name, path) in enumerate(files.items(), 1):
        data = path.read_bytes()
        with contextlib.suppress(TransportError, OSError):
            if board.fs_hashfile(name, "sha256") == hashlib.sha256(data).digest():
                continue

        what = f"copying {name}, {number} of {len(files)}"

        def progress(done: int, of: int, what: str = what) -> None:
            end = "\n" if done >= of else "\r"
            print(f"demo: {what}: {100 * done // of:3} %", end=end, file=sys.stderr, flush=True)

        if not sys.stderr.isatty():
            say(what)
        shown = progress if sys.stderr.isatty() else None
        board.fs_writefile(name, data, chunk_size=1024, progress_callback=shown)


def serve(device: str, port: int, page: Path, address: str = "") -> None:
    try:
        board = SerialTransport(device, timeout=60)
        board.enter_raw_repl(timeout_overall=60)
        board.exec("import pymongoose")
    except (TransportError, OSError) as e:
        sys.exit(f"demo: {device} is no board with pymongoose: {e}")
    if not address:
        wifi = wanted_wifi()
        if wifi:
            say(f"joining the Wi-Fi {wifi.ssid!r}")
        try:
            address = f"{find_address(board, wifi)}:{port}"
        except NetworkError as e:
            sys.exit(f"demo: {device}: {e}")
    copy(board, page)
    board.exec_raw_no_follow(RUN.format(port=port))
    board.serial.timeout = 1  # a page that is served makes no output for days
    shown, ends = False, 0
    try:
        while ends < 2:  # of what the program prints, and of its traceback
            data = board.serial.read(1)
            ends += data == b"\x04"
            sys.stdout.buffer.write(data.replace(b"\x04", b""))
            if data == b"\n" and not shown:
                say(f"the page is on http://{address} (Ctrl-C stops)")
                shown = True
            sys.stdout.flush()
        sys.exit("demo: the board's program has ended")
    except OSError as e:
        sys.exit(f"demo: the board is gone: {e}")
    finally:
        # The board's program ends too; the emulated one with its board.
        with contextlib.suppress(OSError):
            board.serial.write(b"\x03")


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit((__doc__ or "").strip())
    device, port, page = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    with contextlib.suppress(KeyboardInterrupt):
        if device == "pico":
            with emulated(port) as (serial, address):
                serve(serial, BOARD_PORT, page, address)
        else:
            serve(device, port, page)


if __name__ == "__main__":
    main()
