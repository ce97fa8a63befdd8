# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""Templates: $name and ${name} of a file are replaced, as by string.Template, escaped for HTML."""

from pymongoose.web.response import HTML, Response

_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"


class raw:
    """Text that is HTML already: render() leaves it as it is."""

    def __init__(self, text):
        self.text = text


def escape(text):
    """Text as it stands in HTML, between tags and in quoted attributes."""
    for ch, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        text = text.replace(ch, name)
    return text


def substitute(template, values):
    """The template with its names replaced: KeyError for one that is missing."""
    out, at = [], 0
    while True:
        mark = template.find("$", at)
        if mark < 0:
            out.append(template[at:])
            return "".join(out)
        out.append(template[at:mark])
        at = mark + 1
        if template[at : at + 1] == "$":
            out.append("$")
            at += 1
            continue
        braces = template[at : at + 1] == "{"
        start = end = at + (1 if braces else 0)
        while end < len(template) and template[end] in _WORD:
            end += 1
        name = template[start:end]
        if braces and template[end : end + 1] != "}" or not name or name[0] in "0123456789":
            raise ValueError("the template has a $ that begins no name at %d: write $$" % mark)
        value = values[name]
        out.append(value.text if isinstance(value, raw) else escape(str(value)))
        at = end + (1 if braces else 0)


def render_text(path, folder="templates", **values):
    """The text of a template, HTML; see render()."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("a template lies in its folder, not at " + path)
    full = folder + "/" + path
    if path.endswith((".j2", ".jinja", ".jinja2")):
        return _jinja(folder, path, values)
    with open(full, encoding="utf-8") as f:
        template = f.read()
    try:
        return substitute(template, values)
    except KeyError as e:
        raise KeyError("the template %s asks for %s" % (path, e.args[0]))


def render(path, status=200, headers=None, folder=None, **values):
    """Answers with a template of `folder`, else of the App's: $name and ${name} are replaced by the
    values, escaped for HTML unless they are raw(); $$ is a dollar sign.

    Names that end in .j2, .jinja or .jinja2 are Jinja2's, where it is installed."""
    response = Response(b"", status, headers, HTML)
    response.template = path, values
    if folder is not None:
        _fill(response, folder)
    return response


def _fill(response, folder):
    (path, values), response.template = response.template, None
    response.body = render_text(path, folder, **values)


def fill(response, request):
    """Makes the body of what render() gave. The route's App says where templates are, or one that it
    is mounted in."""
    app, notes = request.app, request.notes
    if notes is not None and notes.route is not None:
        app = notes.route.app
    elif request.number >= 0:
        app = request.listed[request.number].app
    while app is not None and app.templates is None:
        app = app._parent
    _fill(response, app.templates if app is not None else "templates")


_environments = {}


def _jinja(folder, path, values):
    try:
        from jinja2 import Environment, FileSystemLoader
    except ImportError:
        raise RuntimeError(path + " needs Jinja2: pip install jinja2 (CPython alone)")
    if folder not in _environments:
        _environments[folder] = Environment(loader=FileSystemLoader(folder), autoescape=True)
    return _environments[folder].get_template(path).render(**values)
