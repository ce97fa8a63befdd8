#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put a picture of the demo's page into docs/figures/dashboard.png: picture.py [FILE].

The program runs on MicroPython's unix port for a minute, until the curve shows all of what is going
on. The picture has a palette: as Chromium writes it, it would be twice as large.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "cpython" / "testing"))
from peers import browser as browsers  # noqa: E402
from targets import ROOT, all_targets  # noqa: E402

SIZE = 1280, 800
COLORS = 256
MINUTE = "curve.data[0].at(-1) - curve.data[0][0] >= 60 && curve.data[2].at(-1) == 75"


def chunks(png: bytes):
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def predicted(a: int, b: int, c: int) -> int:
    p = a + b - c
    distances = (abs(p - a), a), (abs(p - b), b), (abs(p - c), c)
    return min(distances, key=lambda pair: pair[0])[1]


def pixels(png: bytes) -> list[list[bytes]]:
    """The rows of colors of a PNG file of 8 bits a channel, not interlaced (its section 9)."""
    parts = list(chunks(png))
    width, _, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", parts[0][1])
    assert depth == 8 and kind in (2, 6) and not interlaced
    size = 3 if kind == 2 else 4
    data = zlib.decompress(b"".join(body for name, body in parts if name == b"IDAT"))
    stride = width * size
    rows, above = [], bytearray(stride)
    for start in range(0, len(data), stride + 1):
        method, line = data[start], bytearray(data[start + 1 : start + 1 + stride])
        for i in range(stride if method else 0):
            left = line[i - size] if i >= size else 0
            corner = above[i - size] if i >= size else 0
            guess = (0, left, above[i], (left + above[i]) // 2, 0)[method]
            line[i] = (
                line[i] + (predicted(left, above[i], corner) if method == 4 else guess)
            ) & 255
        rows.append([bytes(line[i : i + 3]) for i in range(0, stride, size)])
        above = line
    return rows


def with_palette(png: bytes) -> bytes:
    """The same picture in its commonest colors; each other one is the nearest of them."""
    rows = pixels(png)
    count = Counter(color for row in rows for color in row)
    palette = [color for color, _ in count.most_common(COLORS)]
    index = {color: i for i, color in enumerate(palette)}
    for color in count.keys() - index.keys():
        index[color] = min(
            range(len(palette)),
            key=lambda i: sum((a - b) ** 2 for a, b in zip(color, palette[i], strict=True)),
        )
    lines = b"".join(b"\0" + bytes(index[color] for color in row) for row in rows)
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    made = png[:8]
    for name, body in (
        (b"IHDR", head),
        (b"PLTE", b"".join(palette)),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    ):
        crc = zlib.crc32(name + body)
        made += struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)
    return made


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/figures/dashboard.png"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = folder / "page"
        lay = [sys.executable, str(ROOT / "tools/board/demo_page.py"), str(page)]
        subprocess.run(lay, check=True)
        running = all_targets()["unix"].demo(page)
        try:
            with browsers.started(folder) as browser:
                browser.get(running.line().split()[2])
                browser.size(*SIZE)
                browser.theme("light")
                browser.until(lambda: browser.text("live") == "Live", "the page is live")
                browser.until(lambda: browser.run(MINUTE), "a minute has gone by", 100)
                picture = browser.picture()
        finally:
            running.kill()
    file.write_bytes(with_palette(picture))
    print(f"picture: {file}, {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
