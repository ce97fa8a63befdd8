# SPDX-License-Identifier: GPL-2.0-only
"""How Sphinx makes the site of these pages: `make docs` writes build/docs/."""

import re
from pathlib import Path

HERE = Path(__file__).parent
VERSION = re.search(r'PMG_VERSION "([^"]+)"', (HERE.parent / "shared/pmg_version.h").read_text())

project = "pymongoose"
author = "the pymongoose developers"
copyright = author
release = VERSION[1]

extensions = ["myst_parser"]
# Links to a heading work as they do where the pages are read as plain Markdown.
myst_heading_anchors = 4
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"pymongoose {release}"
html_show_sourcelink = False
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
nitpicky = True


def plain_names_of_files(app, name, source):
    """Files of the repository that are no pages of the site keep their names without a link."""
    source[0] = re.sub(r"\[([^\]]*)\]\(\.\./[^)]*\)", r"\1", source[0])


def add_contents(app, name, source):
    """The navigation: the tables of index.md, one part for each heading."""
    if name != "index":
        return
    parts = []
    for part in re.split(r"^## ", source[0], flags=re.MULTILINE)[1:]:
        pages = re.findall(r"^\| \[[^\]]*\]\((\w[\w-]*)\.md\)", part, re.MULTILINE)
        if pages:
            caption = part.split("\n", 1)[0]
            parts.append(
                f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"
            )
    source[0] += "\n" + "\n".join(parts)


def setup(app):
    app.connect("source-read", plain_names_of_files)
    app.connect("source-read", add_contents)
    return {"parallel_read_safe": True}
