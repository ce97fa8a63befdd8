# SPDX-License-Identifier: GPL-2.0-only
"""The directive `stub`: what the stub says of a class, or of a module's functions, as API pages.

    ```{stub} Connection            a class, its methods and properties
    ```{stub} functions             the functions of the module, in the stub's order
    ```{stub} types                 the types and sets of keywords that signatures name
    ```{stub} mqtt.MqttSession      a class of another module's stub

A sentence that begins with "Raises" stands apart, and what has a heading in another page of the
documentation is linked to it. What the stub names and this does not know is a warning.
"""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

DOCS = Path(__file__).parent.parent
STUBS = DOCS.parent / "typings" / "pymongoose"
#: Aliases of the stub by the names that pages give them.
NAMES = {"_Data": "Data", "_Headers": "Headers", "_Properties": "Properties"}
NAMES |= {"_Address": "Address", "_Service": "Service", "_Txt": "Txt", "_T": "T", "_Cert": "dict"}


def parsed(module: str) -> ast.Module:
    return ast.parse((STUBS / f"{module or '__init__'}.pyi").read_text())


def shown(node: ast.expr) -> str:
    """An annotation or a default as pages have it."""
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Unpack":
        node = node.slice  # `**kwargs: Options` tells readers as much
    return re.sub(r"\b_\w+", lambda found: NAMES.get(found[0], found[0][1:]), ast.unparse(node))


def comment(after: ast.stmt | None) -> str:
    """What stands under a variable."""
    is_one = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    return str(after.value.value) if is_one else ""


def signature(function: ast.FunctionDef, is_method: bool) -> str:
    a, parts = function.args, []

    def part(arg: ast.arg, default: ast.expr | None) -> str:
        text = arg.arg + (f": {shown(arg.annotation)}" if arg.annotation else "")
        return text + (f" = {shown(default)}" if default else "")

    positional = [*a.posonlyargs, *a.args][1 if is_method else 0 :]
    for arg, default in zip(
        positional, [None] * (len(positional) - len(a.defaults)) + a.defaults, strict=True
    ):
        parts.append(part(arg, default))
    if a.kwonlyargs:
        parts.append("*")
        parts += [part(*pair) for pair in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    if a.kwarg:
        parts.append("**" + part(a.kwarg, None))
    return f"({', '.join(parts)})"


def returned(function: ast.FunctionDef) -> str:
    return f" -> {shown(function.returns)}" if function.returns else ""


def text_of(docstring: str | None) -> str:
    """A docstring as Markdown; what is raised becomes a paragraph with a title of its own."""
    found = []
    for paragraph in re.split(r"\n\s*\n", docstring or ""):
        for sentence in re.split(r"(?<=[.)])\s+(?=Raises )", paragraph):
            raises = re.match(r"Raises (.*)", sentence, re.S)
            found.append(f"**Raises** {raises[1]}" if raises else sentence)
    return "\n\n".join(found)


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def headings() -> dict[str, str]:
    """What the other pages tell at length: "Connection.send" -> "connection.md#..."."""
    found = {}
    for path in sorted(DOCS.glob("*.md")):
        for heading in re.findall(r"^#+ (\S.*)$", path.read_text(), re.M):
            if name := re.match(r"(?:class )?(\w+(?:\.\w+)?)(?:\(|$)", heading):
                found.setdefault(name[1], f"{path.name}#{slug(heading)}")
    return found


class Stub(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module, _, name = self.arguments[0].rpartition(".")
        self.tree = parsed(module)
        self.pages = headings()
        where = "pymongoose" + (f".{module}" if module else "")
        lines = [f"```{{py:currentmodule}} {where}\n```", ""]
        if name == "functions":
            lines += self.functions()
        elif name == "types":
            lines += self.types()
        else:
            (found,) = (n for n in self.tree.body if isinstance(n, ast.ClassDef) and n.name == name)
            lines += self.of_class(found)
        for stub in STUBS.glob("*.pyi"):
            self.env.note_dependency(str(stub))
        parent = nodes.container()
        text = StringList("\n".join(lines).split("\n"), source=self.env.docname)
        self.state.nested_parse(text, self.content_offset, parent)
        return parent.children

    def link(self, name: str) -> list[str]:
        return ["", f"[More]({self.pages[name]})"] if name in self.pages else []

    def functions(self) -> list[str]:
        lines: list[str] = []
        seen: dict[str, list[ast.FunctionDef]] = {}
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef):
                seen.setdefault(node.name, []).append(node)
        for name, overloads in seen.items():
            docstring = next(filter(None, map(ast.get_docstring, overloads)), None)
            first, *others = (f"{name}{signature(f, False)}{returned(f)}" for f in overloads)
            lines += [f"````{{py:function}} {first}", text_of(docstring)]
            lines += [f"\nAlso `{other}`." for other in others]
            lines += [*self.link(name), "````", ""]
        return lines

    def types(self) -> list[str]:
        lines: list[str] = []
        body = self.tree.body
        for node, after in pairwise([*body, None]):
            if isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation):
                assert node.value
                lines += [f"````{{py:type}} {shown(node.target)}", f"`{shown(node.value)}`", ""]
                lines += [comment(after), "````", ""]
            elif isinstance(node, ast.ClassDef) and any(k.arg == "total" for k in node.keywords):
                lines += self.keywords(node)
        return lines

    def keywords(self, node: ast.ClassDef) -> list[str]:
        """A TypedDict of what a call may leave out."""
        name, said = shown(ast.Name(node.name)), ast.get_docstring(node) or ""
        lines = [f"`````{{py:class}} {name}", said, ""]
        for item, after in pairwise([*node.body, None]):
            if isinstance(item, ast.AnnAssign):
                lines += self.attribute(item, after)
        return [*lines, "`````", ""]

    def attribute(self, item: ast.AnnAssign, after: ast.stmt | None) -> list[str]:
        lines = [f"````{{py:attribute}} {ast.unparse(item.target)}"]
        return [*lines, f":type: {shown(item.annotation)}", "", comment(after), "````", ""]

    def of_class(self, node: ast.ClassDef) -> list[str]:
        made = [f for f in node.body if isinstance(f, ast.FunctionDef)]
        maker = next((f for f in made if f.name in ("__init__", "__new__")), None)
        by_hand = maker and "NoReturn" not in ast.unparse(maker.args)
        head = node.name + (signature(maker, True) if maker and by_hand else "")
        lines = [f"`````{{py:class}} {head}", text_of(ast.get_docstring(node))]
        lines += [*self.link(node.name), ""]
        for item, after in pairwise([*node.body, None]):
            if isinstance(item, ast.AnnAssign):
                lines += self.attribute(item, after)
            elif isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
                said = text_of(ast.get_docstring(item))
                if item.decorator_list:
                    lines += [f"````{{py:property}} {item.name}"]
                    assert item.returns
                    lines += [f":type: {shown(item.returns)}", "", said, "````", ""]
                else:
                    lines += [
                        f"````{{py:method}} {item.name}{signature(item, True)}{returned(item)}",
                        said,
                        *self.link(f"{node.name}.{item.name}"),
                        "````",
                        "",
                    ]
        return [*lines, "`````"]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("stub", Stub)
    return {"parallel_read_safe": True}
