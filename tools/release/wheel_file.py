# SPDX-License-Identifier: GPL-2.0-only
"""Wheels and archives whose bytes follow from what is in them, and from SOURCE_DATE_EPOCH."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import re
import tarfile
import time
import zipfile
from pathlib import Path

# A zip file knows no earlier day.
FIRST_DAY = 315532800


def epoch() -> int:
    return max(FIRST_DAY, int(os.environ.get("SOURCE_DATE_EPOCH") or FIRST_DAY))


def field(metadata: bytes, name: str) -> str:
    found = re.search(rf"^{name}: (.+)$", metadata.decode(), re.M)
    if not found:
        raise ValueError(f"the metadata has no {name}")
    return found.group(1).strip()


def entry_points(pyproject: Path) -> str:
    """Of pyproject.toml, by hand: Python 3.10 reads no TOML."""
    lines = []
    for group, body in re.findall(
        r"^\[project\.entry-points\.([\w.]+)\]\n((?:[^\[\n].*\n|\n)*)", pyproject.read_text(), re.M
    ):
        lines.append(f"[{group}]")
        pairs = re.findall(r'^"?([\w.]+)"? = "(.+)"$', body, re.M)
        lines += [f"{name} = {value}" for name, value in pairs]
    return "\n".join(lines) + "\n" if lines else ""


def zip_of(path: Path, members: dict[str, bytes], modes: dict[str, int] | None = None) -> None:
    when = time.gmtime(epoch())[:6]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, when)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = (0o100000 | (modes or {}).get(name, 0o644)) << 16
            archive.writestr(info, data)


def tar_of(path: Path, members: dict[str, tuple[bytes, int]]) -> None:
    """A .tar.gz of {name: (data, mode)}."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, (data, mode) in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), mode, epoch()
            archive.addfile(info, io.BytesIO(data))
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=epoch()) as packed:
        packed.write(plain.getvalue())


def write(
    folder: Path,
    tag: str,
    metadata: bytes,
    members: dict[str, bytes],
    licenses: dict[str, bytes],
    entry_points: str = "",
) -> str:
    """Writes a wheel into `folder` and returns its name."""
    named = re.sub(r"[-.]+", "_", field(metadata, "Name"))
    stem = f"{named}-{field(metadata, 'Version')}"
    info = f"{stem}.dist-info"
    pure = tag.endswith("-none-any")
    contents = dict(sorted(members.items()))
    for name, data in licenses.items():
        contents[f"{info}/licenses/{name}"] = data
    if entry_points:
        contents[f"{info}/entry_points.txt"] = entry_points.encode()
    contents[f"{info}/METADATA"] = metadata
    contents[f"{info}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: pymongoose\n"
        f"Root-Is-Purelib: {str(pure).lower()}\nTag: {tag}\n"
    ).encode()
    record = []
    for name, data in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{name},sha256={digest},{len(data)}")
    record.append(f"{info}/RECORD,,")
    contents[f"{info}/RECORD"] = ("\n".join(record) + "\n").encode()
    modes = {name: 0o755 for name in contents if name.endswith(".so")}
    folder.mkdir(parents=True, exist_ok=True)
    zip_of(folder / f"{stem}-{tag}.whl", contents, modes)
    return f"{stem}-{tag}.whl"
