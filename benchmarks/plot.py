# SPDX-License-Identifier: GPL-2.0-only
"""Draw docs/figures/*.svg from build/bench.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
import ratios

matplotlib.use("svg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "figures"
OURS, OURS_UNIX = "pymongoose, CPython", "pymongoose, MicroPython"
COLORS = {OURS: "#0b6e4f", OURS_UNIX: "#3fa37c"}
PEER = "#9aa5b1"
LINES = {
    "C Mongoose": "#c0392b",
    "C Mongoose, flushed by hand": "#e59866",
    "cymongoose": "#8e44ad",
    "bjoern": "#2c3e50",
    "uvicorn": "#2e86c1",
    "aiohttp": "#85c1e9",
    "MicroPython sockets, naive": "#b7950b",
}
STYLE = {
    "svg.fonttype": "none",  # text stays text: small files, and it can be searched
    "svg.hashsalt": "pymongoose",  # the same data gives the same file
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "figure.facecolor": "white",
}


def save(figure: Any, name: str) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.svg"
    figure.savefig(
        path, bbox_inches="tight", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
    )
    plt.close(figure)
    text = path.read_text()
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n")
    print(f"figures: {path.relative_to(ROOT)}")


def instructions(rows: dict[str, dict[str, int]]) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.2))
    for name, row in rows.items():
        points = sorted((int(label.split()[0]), value) for label, value in row.items())
        axes.plot(
            [max(idle, 1) for idle, _ in points],  # a logarithmic axis has no 0
            [value for _, value in points],
            color=COLORS.get(name, LINES.get(name, PEER)),
            linewidth=2.4 if name in COLORS else 1.4,
            marker="o",
            markersize=4,
            label=name,
        )
    axes.set(
        xscale="log", yscale="log", xlabel="idle connections", ylabel="instructions per request"
    )
    axes.set_xticks([1, 99, 999, 10_000], ["0", "99", "999", "10,000"])
    axes.minorticks_off()
    axes.set_title("Instructions per request, beside idle connections")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, "instructions")


def bars(
    rows: dict[str, dict[str, float]], column: str, title: str, name: str, unit: str = ""
) -> None:
    values = sorted(
        ((row[column], peer) for peer, row in rows.items() if row.get(column) is not None),
        reverse=True,
    )
    if not values:
        return
    figure, axes = plt.subplots(figsize=(7, 0.32 * len(values) + 0.8))
    drawn = axes.barh(
        [peer for _, peer in values],
        [value for value, _ in values],
        color=[COLORS.get(peer, PEER) for _, peer in values],
        height=0.7,
    )
    axes.bar_label(
        drawn, labels=[f"{value:,g}{unit}" for value, _ in values], padding=4, fontsize=9
    )
    axes.margins(x=0.12)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(title)
    save(figure, name)


def over_best(figures: dict[str, Any]) -> None:
    """All rows of CPU time that have a peer, worst on top."""
    rows = ratios.rows(figures)[::-1]
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(7, 0.34 * len(rows) + 1))
    for shift, name in ((0.2, OURS), (-0.2, OURS_UNIX)):
        values = [ours.get(name, 0) for _, ours, _ in rows]
        places = [i + shift for i in range(len(rows))]
        drawn = axes.barh(places, values, color=COLORS[name], height=0.38, label=name)
        axes.bar_label(drawn, [f"{v:g}" if v else "" for v in values], padding=3, fontsize=7)
    axes.axvline(1, color=PEER, linewidth=1)
    axes.set_yticks(range(len(rows)), [f"{what} ({peer})" for what, _, peer in rows], fontsize=8)
    axes.margins(x=0.12, y=0.01)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title("CPU time, the best peer (in parentheses) = 1")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    save(figure, "ratios")


def main() -> int:
    source = ROOT / "build" / "bench.json"
    if not source.exists():
        sys.exit("figures: there is no build/bench.json: make bench writes it")
    figures = json.loads(source.read_text())["figures"]
    taken = {name: figure["rows"] for name, figure in figures.items()}
    plt.rcParams.update(STYLE)
    over_best(figures)
    if rows := taken.get("instructions"):
        instructions(rows)
    if rows := taken.get("cpu"):
        title = "CPU time per request at 100 connections, C Mongoose = 1"
        # Microdot connects anew for each request: beside its bar the others cannot be told apart.
        kept = {peer: row for peer, row in rows.items() if not peer.startswith("Microdot")}
        bars(kept, "100 conns, ratio", title, "cpu")
    if rows := taken.get("websocket"):
        title = "CPU time per WebSocket echo, {}, C Mongoose = 1"
        bars(rows, "16x1, ratio", title.format("16 connections"), "websocket-16x1")
        bars(rows, "1x32, ratio", title.format("32 in flight"), "websocket-1x32")
    if rows := taken.get("idle"):
        bars(rows, "KiB", "Memory per idle connection after a request", "idle", " KiB")
    if rows := taken.get("startup"):
        bars(
            rows,
            "first reply",
            "From the start of the process to the first reply",
            "startup",
            " ms",
        )
    if rows := taken.get("static"):
        bars(rows, "ratio", "Static file of 100 MB, MB/s, nginx without sendfile = 1", "static")
    return 0


if __name__ == "__main__":
    sys.exit(main())
