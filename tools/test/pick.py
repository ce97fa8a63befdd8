#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""See whether K= can pick any test, before anything is built: pick.py K

pytest would say so after it has read all tests, once for each part of a run. Here a word is looked for in
the text of the repository: what stands nowhere in it is no part of a test's name.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Where the names of tests, and what they are made for, come from.
FOLDERS = (
    "tests",
    "examples",
    "docs",
    "shared",
    "cpython",
    "micropython_module",
    "boards",
    "tools",
)
TEXT = {
    ".py",
    ".c",
    ".h",
    ".md",
    ".pyx",
    ".pxi",
    ".pxd",
    ".pyi",
    ".sh",
    ".mk",
    ".cmake",
    ".txt",
    ".html",
    ".js",
}
#: What pytest takes for a word of -k.
WORD = re.compile(r":?[\w:+.\[\]/\\-]+")
#: Other parts of a name, numbers above all, may be computed.
WRITTEN = re.compile(r"[a-z_]{3,}")


def parsed(text: str) -> tuple[ast.expr, dict[str, str]]:
    """The expression, with a name for each word; SyntaxError if pytest would not take it."""
    words: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        if found[0] in ("and", "or", "not"):
            return found[0]
        words[new := f"w{len(words)}"] = found[0].lower()
        return new

    tree = ast.parse(f"({WORD.sub(name, text)})", mode="eval").body
    kinds = (ast.BoolOp, ast.UnaryOp, ast.Name, ast.boolop, ast.Not, ast.Load)
    if not all(isinstance(node, kinds) for node in ast.walk(tree)):
        raise SyntaxError
    return tree, words


def possible(tree: ast.expr, false: set[str]) -> set[bool]:
    """What it may come to, if these names are false and all others may be either."""
    if isinstance(tree, ast.Name):
        return {False} if tree.id in false else {False, True}
    if isinstance(tree, ast.UnaryOp):
        return {not each for each in possible(tree.operand, false)}
    assert isinstance(tree, ast.BoolOp)
    parts = [possible(each, false) for each in tree.values]
    one = isinstance(tree.op, ast.Or)  # what one part makes the whole
    found = {one} if any(one in each for each in parts) else set()
    return found | ({not one} if all((not one) in each for each in parts) else set())


def unwritten(name: str, every: str) -> bool:
    """Is there a part in it that a test's name can hardly have?"""
    if "\\" in name:  # bytes, escaped
        return False
    parts = WRITTEN.findall(name.lower())
    return any(part not in every and len(set(part)) > 1 for part in parts)


def written() -> str:
    """Names and text of the files, in small letters."""
    texts = []
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            texts.append(path.name)
            if path.suffix in TEXT and path.is_file():
                texts.append(path.read_text(errors="replace"))
    return "\n".join(texts).lower()


def refusal(text: str) -> str:
    """Why no test can be meant, or nothing."""
    try:
        tree, words = parsed(text)
    except (SyntaxError, ValueError):
        return f"K={text} picks nothing: it is words joined by and, or, not, as in K='mqtt and not tls'"
    every = written()
    false = {name for name, word in words.items() if unwritten(word, every)}
    if True in possible(tree, false):
        return ""
    unknown = ", ".join(words[name] for name in sorted(false))
    return f"K={text} picks nothing: no test's name or file has {unknown}; K=websocket picks what has that"


def main() -> None:
    if why := refusal(sys.argv[1].strip()):
        sys.exit(f"make: {why}")


if __name__ == "__main__":
    main()
