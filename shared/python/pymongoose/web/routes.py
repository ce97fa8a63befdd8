# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""Patterns of paths, made into the table that HttpRequest reads (shared/http/route.h)."""

import re
import sys
from collections import namedtuple

_CPYTHON = sys.implementation.name == "cpython"

# What the table calls a kind, and how specific it is: of routes that fit, the one whose first
# different segment has the lowest number counts.
_KINDS = {"re": ("s", 2), "int": ("i", 3), "float": ("f", 4), "str": ("s", 5), "path": ("p", 9)}
_MOST = 8  # parameters of a pattern
NEEDS_ASYNCIO = "an async handler runs under asyncio: await app.serve(), or app.run(aio=True)"


def _is_name(text):
    return _is_whole(re.match("[A-Za-z_][A-Za-z_0-9]*", text), text)


# (CPython's $ fits ahead of a last line feed, too.)
def _is_whole(match, text):
    return bool(match) and match.group(0) == text


# MicroPython looks a keyword's name up at each call, unless it is known to be one.
def _interned(name):
    return _names(**{name: None})[0]


def _names(**names):
    return list(names)


class Pattern:
    """A pattern such as "/users/<int:id>"."""

    def __init__(self, pattern):
        if not isinstance(pattern, str):
            raise TypeError("a route is a str, not " + type(pattern).__name__)
        self.text = pattern
        self.names = []
        self.checks = {}  # regular expressions, by the parameter's name
        self.rank = []
        self.shape = ""  # of two with the same one, the second would never be looked at
        self.record = b""
        if not pattern.startswith("/"):
            self._wrong("a path begins with /")
        segments = pattern[1:].split("/")
        for i, segment in enumerate(segments):
            self._add(segment, i == len(segments) - 1)
        if len(self.names) > _MOST:
            self._wrong("it has more than %d parameters" % _MOST)

    def _wrong(self, why):
        raise ValueError("the route %s cannot match: %s" % (self.text, why))

    def _add(self, segment, last):
        self.record += b"/"
        self.shape += "/"
        start = segment.find("<")
        if start < 0:
            if segment in (".", ".."):
                self._wrong("clients take %s out of a path" % segment)
            self._literal(segment)
            self.rank.append(0)
            return
        kind, name, check, end = self._parameter(segment, start)
        prefix, suffix = segment[:start], segment[end + 1 :]
        if "<" in suffix:
            self._wrong("two parameters stand between two slashes")
        if kind == "path" and not last:
            self._wrong("nothing may follow the segment of a path")
        if name in self.names:
            self._wrong("two parameters are named " + name)
        self.names.append(_interned(name))
        letter, rank = _KINDS[kind]
        self._literal(prefix)
        self.record += b"\1" + letter.encode()
        self.shape += "<%s>" % (check or kind)
        self._literal(suffix)
        if check:
            try:
                self.checks[name] = re.compile("(?:" + check + ")$")
            except Exception as e:  # re.error, which MicroPython does not have
                self._wrong("%s is no expression, %s" % (check, e))
        self.rank.append(2 * rank + (0 if prefix or suffix else 1))

    def _literal(self, text):
        for ch in text:
            if ch in "?#>" or ord(ch) <= 32 or ord(ch) == 127:
                self._wrong("%r stands in no path" % ch)
        self.record += text.encode()
        self.shape += text

    # Of "<int:id>" at `start`: (converter, name, expression or None, where its > is).
    def _parameter(self, segment, start):
        if segment.startswith("<re:", start):
            end = segment.find(">", start)
            while end > 0:
                colon = segment.rfind(":", 0, end)
                if colon > start + 4 and _is_name(segment[colon + 1 : end]):
                    return "re", segment[colon + 1 : end], segment[start + 4 : colon], end
                end = segment.find(">", end + 1)
            self._wrong("an expression is written <re:[a-z]+:name>, and has no slash")
        end = segment.find(">", start)
        if end < 0:
            self._wrong("a < has no >")
        inner = segment[start + 1 : end]
        colon = inner.find(":")
        kind, name = (inner[:colon], inner[colon + 1 :]) if colon >= 0 else ("str", inner)
        if kind not in _KINDS or kind == "re":
            self._wrong("there is no converter %s, but int, str, float, path and re" % kind)
        if not _is_name(name):
            self._wrong("%r is no name of a parameter" % name)
        return kind, name, None, end


# What one path means: `handler`, for `methods`. On a board a tuple is the smallest that there is; the
# extension reads its first three (_Routes). `special` is None where the handler alone answers, else
# (kind, upload, checks, origins): "http", "ws" or "sse"; what its form may have at most; the regular
# expressions of its parameters, by name; whose pages may open a WebSocket.
Route = namedtuple("Route", ("handler", "names", "special", "app", "methods", "text"))
_USUAL = "http", None, None, None


def route_of(app, pattern, methods, handler, special):
    """A Route of `app`, whose hooks run."""
    if pattern.checks:
        special = special or _USUAL
        special = special[0], special[1], pattern.checks, special[3]
    return Route(handler, tuple(pattern.names), special, app, methods, pattern.text)


def special_of(route):
    """(kind, upload, checks, origins)."""
    return route.special or _USUAL


def values_of(route, request):
    """The parameters of a request that the route fits, by name."""
    return dict(zip(route.names, request.values or ()))  # noqa: B905


def fits(route, request):
    """Do the regular expressions fit, too?"""
    checks = special_of(route)[2]
    if not checks:
        return True
    values = values_of(route, request)
    return all([_is_whole(checks[name].match(values[name]), values[name]) for name in checks])


def first_fit(request):
    """The Route that a request means, None without one; `number` and `values` are then its."""
    # (Of the table that it came to: there may be another by now, with other numbers.)
    routes, number = request.listed, request.number
    while number >= 0:
        if fits(routes[number], request):
            return routes[number]
        number = request.match(routes[-1], number + 1)
    return None


def methods_of(request):
    """The methods that the request's path has routes for, in the order of their records."""
    methods = []
    routes = request.listed
    number = request.match(routes[-1], 0, True)
    while number >= 0:
        if fits(routes[number], request):
            method = _method_of(routes[-1], number)
            for each in (method, "HEAD") if method == "GET" else (method,):
                if each not in methods:
                    methods.append(each)
        number = request.match(routes[-1], number + 1, True)
    return methods


def _method_of(table, number):
    at = 0
    for _ in range(number):
        at += 2 + (table[at] << 8 | table[at + 1])
    return table[at + 4 : at + 4 + table[at + 2]].decode()


def shape_of(text):
    """Of two routes with the same one, the second would never be looked at."""
    return Pattern(text).shape if "<" in text else text


def check_free(routes, text, methods):
    """ValueError if one of `routes` has this pattern and one of these methods."""
    shape, slashes, literal = shape_of(text), text.count("/"), text.split("<")[0]
    for route in routes:
        theirs = route.text
        # (Only what begins like it is taken apart.)
        if theirs.split("<")[0] != literal or theirs.count("/") != slashes:
            continue
        if shape_of(theirs) == shape:
            for method in methods:
                if method in route.methods:
                    name = getattr(route.handler, "__name__", "handler")
                    raise ValueError(
                        "the route %s %s is taken by %s (%s)" % (method, text, name, theirs)
                    )


def table_of(routes):
    """A tuple of these routes, each where the number of its record says, and behind them the table."""
    rows = []
    for i, route in enumerate(routes):
        pattern = Pattern(route.text)
        rows.append((pattern.rank, i, route, pattern.record))
    rows.sort(key=lambda row: row[:2])
    table = bytearray()
    listed = []
    for _, _, route, path in rows:
        literal = path.find(b"\1")
        literal = min(len(path) if literal < 0 else literal, 255)
        for method in route.methods:
            record = bytes([len(method), literal]) + method.encode() + path
            table.extend(bytes([len(record) >> 8, len(record) & 255]))
            table.extend(record)
            listed.append(route)
    return tuple(listed + [bytes(table)])


def _make():
    yield


def is_async(f, perhaps=True):
    """Is this an async function? To MicroPython a generator is the same, which is `perhaps`."""
    if not _CPYTHON:
        return perhaps and type(f) is type(_make)
    from inspect import isasyncgenfunction, iscoroutinefunction, unwrap

    f = unwrap(f)
    return iscoroutinefunction(f) or isasyncgenfunction(f)
