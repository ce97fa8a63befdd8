#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Measure pymongoose beside its peers: print tables, write build/bench.json.

Each kind of figure is a module with NAME, TITLE and measure(run), which returns a table: a row by
server, a value by column. README.md says how each is taken.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from typing import Any

import broadcast
import client
import cpu
import handlers
import heap
import idle
import instructions
import mqtt
import mqtt_cpu
import peers
import routed
import startup
import static
import syscalls
import targets
import tls
import transfer
import websocket
import work
import work_cpu
import workers
from runner import ROOT, WORK, Run, say

KINDS = {
    kind.NAME: kind
    for kind in (
        instructions,
        routed,
        handlers,
        work,
        work_cpu,
        syscalls,
        cpu,
        websocket,
        broadcast,
        mqtt,
        mqtt_cpu,
        client,
        tls,
        transfer,
        workers,
        idle,
        heap,
        startup,
        static,
    )
}
RESULT = ROOT / "build" / "bench.json"


def arguments() -> argparse.Namespace:
    lines = "\n".join(f"  {name:14}{kind.TITLE}" for name, kind in KINDS.items())
    parser = argparse.ArgumentParser(
        description="Measure pymongoose beside its peers: print tables, write build/bench.json.",
        epilog=f"kinds of figures:\n{lines}\n\n"
        "Kinds that are not taken stay in build/bench.json as an earlier run left them.\n"
        "All of them take about half an hour; all traffic stays on 127.0.0.1.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", default="", metavar="KIND,...", help="take these kinds (default: all)"
    )
    parser.add_argument(
        "--peers", default="", metavar="TEXT,...", help="servers whose name holds one of these"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="turns of what is taken as a median (5)"
    )
    args = parser.parse_args()
    args.only = [name for name in args.only.replace(",", " ").split() if name] or list(KINDS)
    unknown = [name for name in args.only if name not in KINDS]
    if unknown:
        parser.error(f"no kind {', '.join(unknown)}; there are {', '.join(KINDS)}")
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    return args


def output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip()


def machine() -> dict[str, Any]:
    with open("/proc/cpuinfo") as file:
        model = next(
            (line.partition(":")[2].strip() for line in file if line.startswith("model name")), "?"
        )
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "python": output(str(peers.OUR_PYTHON), "--version"),
        "micropython": output(str(peers.OUR_UNIX), "--version").splitlines()[-1:],
        "gcc": output("gcc", "-dumpfullversion"),
    }


def table(rows: dict[str, dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    cells = [["", *columns]]
    for name, row in rows.items():
        cells.append([name, *(shown(row.get(column)) for column in columns)])
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns) + 1)]
    lines = []
    for line in cells:
        first, *rest = (
            cell.ljust(width) if i == 0 or column_is_text(rows, cells[0][i]) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    lines.insert(1, "-" * max(len(line) for line in lines))
    return "\n".join(f"  {line}" for line in lines)


def column_is_text(rows: dict[str, dict[str, Any]], column: str) -> bool:
    return any(isinstance(row.get(column), str) for row in rows.values())


def shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def main() -> int:
    args = arguments()
    WORK.mkdir(parents=True, exist_ok=True)
    for needed in (peers.OUR_PYTHON, peers.OUR_UNIX):
        if not needed.exists():
            sys.exit(f"bench: {needed.relative_to(ROOT)} is not built: make bench does it")
    run = Run(args.rounds, [p for p in args.peers.split(",") if p], peers.environment())
    for package, reason in run.missing.items():
        say(f"{package} cannot be installed and is left out: {reason}")
    peers.prepare()
    result: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    figures = result.setdefault("figures", {})
    result["machine"] = machine()
    result["peers"] = peers.versions()
    result["left out"] = run.missing
    broken: list[str] = []
    for number, name in enumerate(args.only, 1):
        kind = KINDS[name]
        say(f"{name} ({number} of {len(args.only)})")
        run.kind = name
        try:
            rows = kind.measure(run)
        except Exception:  # what the others measure is not lost
            broken.append(name)
            run.take_failures()
            say(f"{name} FAILED:\n{traceback.format_exc()}")
            continue
        figures[name] = {
            "title": kind.TITLE,
            "taken": time.strftime("%Y-%m-%d %H:%M"),
            "commit": output("git", "rev-parse", "--short", "HEAD"),
            "rounds": args.rounds,
            "load": round(os.getloadavg()[1], 1),  # of the last five minutes, ours included
            "rows": rows,
            "failed": run.take_failures(),
        }
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        print(f"\n{kind.TITLE}\n{table(rows)}", flush=True)
        for line in figures[name]["failed"]:
            print(f"  not measured: {line}")
        print(flush=True)
    print(f"Figures to reach\n{table(targets.rows(figures))}")
    for package, reason in run.missing.items():
        print(f"  left out: {package}: {reason}")
    say(f"written to {RESULT.relative_to(ROOT)}")
    if broken:
        say(f"FAILED: {', '.join(broken)}: an earlier run's figures of these are kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
