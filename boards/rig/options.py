# SPDX-License-Identifier: GPL-2.0-only
"""What rig.py is told on its command line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import NoReturn

from wire import LIMITS, UNITS, quality

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "build/firmware/RPI_PICO/firmware.uf2"
PARTS = ROOT / "build/rig"
BOARD_PORT = 8000  # of the board, where its programs serve HTTP
MAX_BOARDS = 85


def die(text: str, status: int = 1) -> NoReturn:
    if "--control" in sys.argv:
        print(json.dumps({"event": "end", "why": text, "failed": True}), flush=True)
    print(f"rig: error: {text}", file=sys.stderr)
    sys.exit(status)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        die(f"{message}; --help lists the options", 2)


def port_of(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"a port is 1 to 65535, not {text!r}")
    return int(text)


def forward_of(text: str) -> tuple[int, int, int]:
    """Which board, the port here, the board's."""
    parts = text.split(":")
    if len(parts) == 2:
        parts.insert(0, "1")
    if len(parts) != 3 or not parts[0].isdecimal() or int(parts[0]) < 1:
        raise argparse.ArgumentTypeError(
            f"it is HERE:BOARD, such as 8080:80, or NUMBER:HERE:BOARD for one of several boards, not {text!r}"
        )
    return int(parts[0]), port_of(parts[1]), port_of(parts[2])


def boards_of(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= MAX_BOARDS):
        raise argparse.ArgumentTypeError(f"1 to {MAX_BOARDS} boards, not {text!r}")
    return int(text)


def parser_of(description: str) -> Parser:
    parser = Parser(prog="rig.py", description=description, allow_abbrev=False)
    add = parser.add_argument
    add("--firmware", type=Path, default=FIRMWARE, help="a .uf2 or .bin for the RP2040")
    add(
        "--port",
        type=port_of,
        default=BOARD_PORT,
        help=f"the port of 127.0.0.1 that leads to the board's port {BOARD_PORT}",
    )
    add(
        "--forward",
        type=forward_of,
        action="append",
        default=[],
        metavar="HERE:BOARD",
        help="another port of 127.0.0.1 that leads to the board's, TCP and UDP; repeatable",
    )
    add(
        "--boards",
        type=boards_of,
        default=1,
        metavar="N",
        help="so many boards on one segment; then --forward 2:8080:80 is the second one's",
    )
    add(
        "--segment",
        metavar="NAME",
        help="the board's network is that of all rigs with this name (or path of a folder)",
    )
    add(
        "--mdns",
        action="store_true",
        help="multicast DNS goes to and from this computer's loopback",
    )
    for name, what in (
        ("loss", "lose so many packets of the link"),
        ("delay", "each packet of the link takes so long"),
        ("rate", "the link carries so much, each direction"),
    ):
        add(f"--{name}", default=0, metavar=UNITS[name].upper().replace("/", "_"), help=what)
    add(
        "--flash",
        type=Path,
        metavar="FILE",
        help="keep the flash in this file; default: a fresh one",
    )
    add("--gdb", type=port_of, metavar="PORT", help="serve a debugger: target remote :PORT")
    add("--profile", type=Path, metavar="FILE", help="count cycles by function, into this file")
    add("--seed", type=int, metavar="N", help="random bits that repeat; default: others each time")
    add("--no-link", action="store_true", help="leave the board and its network link alone")
    add("--control", action="store_true", help="commands and events as lines of JSON, for programs")
    add("--node", default="node", help="the Node.js to use (18 or newer)")
    add("--parts", type=Path, default=PARTS, help="what tools/build/rig.sh made")
    add("--name", default="rig", help=argparse.SUPPRESS)  # of one of several boards
    add("--number", type=int, default=1, help=argparse.SUPPRESS)
    return parser


def arguments_of(argv: list[str], description: str) -> argparse.Namespace:
    parser = parser_of(description)
    found = parser.parse_args(argv)
    for name in LIMITS:
        try:
            quality(name, getattr(found, name))
        except ValueError as e:
            parser.error(f"--{e}")
    for board, here, there in found.forward:
        if board > found.boards:
            parser.error(f"--forward {board}:{here}:{there}: there is no board {board}")
    used = [here for _, here, _ in found.forward]
    if found.port and not found.control:
        used += range(found.port, found.port + found.boards)
    if twice := next((port for port in used if used.count(port) > 1), 0):
        parser.error(f"port {twice} of 127.0.0.1 is wanted twice; --port and --forward name others")
    if found.boards > 1:
        for name in ("flash", "gdb", "profile"):
            if getattr(found, name):
                parser.error(
                    f"--{name} is for one board: start each by a rig of its own, with --segment"
                )
    if not found.firmware.is_file():
        die(f"there is no firmware {found.firmware}: make firmware BOARD=RPI_PICO")
    if not (found.parts / "bootrom.bin").is_file():
        die("the emulator's parts are missing: make rig")
    return found
