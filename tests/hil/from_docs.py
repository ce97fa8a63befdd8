# SPDX-License-Identifier: GPL-2.0-only
"""Write the files that docs/hil.md has its reader write: from_docs.py FOLDER"""

import re
import sys
import textwrap
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs/hil.md"


def from_the_docs():
    """{name: text}, as they are shown."""
    blocks = re.findall(
        r"`(\w+\.py)`:\n\n( *)```python no-run\n(.*?)\n *```", DOCS.read_text(), re.DOTALL
    )
    return {name: textwrap.dedent(code) + "\n" for name, _, code in blocks}


if __name__ == "__main__":
    for name, text in from_the_docs().items():
        Path(sys.argv[1], name).write_text(text)
