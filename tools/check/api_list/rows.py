# SPDX-License-Identifier: GPL-2.0-only
"""The rows of shared/base/names.h, read as the compiler reads them."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

HEADER = Path(__file__).resolve().parents[3] / "shared/base/names.h"


@cache
def rows(macro: str, *defines: str) -> tuple[str, ...]:
    """The first fields of an X-macro's rows."""
    return tuple(fields[0] for fields in table(macro, *defines))


@cache
def table(macro: str, *defines: str) -> tuple[tuple[str, ...], ...]:
    """The rows of an X-macro, each as a tuple of its fields; `defines` such as PMG_HAS_FILES=0."""
    source = f'#include "{HEADER}"\n#define X(...) @__VA_ARGS__@\n{macro}(X)\n'
    out = subprocess.run(
        ["cc", "-E", "-P", "-x", "c", *(f"-D{define}" for define in defines), "-"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return tuple(
        tuple(field.strip() for field in row.split(",")) for row in re.findall(r"@([^@]*)@", out)
    )


def macros() -> list[str]:
    """All X-macros of the header."""
    return sorted(set(re.findall(r"#define (PMG_\w+)\(X\)", HEADER.read_text())))
