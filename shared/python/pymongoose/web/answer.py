# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""What a handler returned or raised, as a Response."""

import sys

from pymongoose import DecodeError
from pymongoose.web.headers import pairs_of
from pymongoose.web.request import notes_of
from pymongoose.web.response import TEXT, HTTPError, Response
from pymongoose.web.routes import is_async

_CPYTHON = sys.implementation.name == "cpython"


def response_of(app, request, result):
    """What a handler returned, as a Response."""
    if isinstance(result, Response):
        if result.template is not None:
            from pymongoose.web.template import fill

            fill(result, request)
        return result
    if type(result) is tuple and 2 <= len(result) <= 3:
        body, status = result[0], result[1]
        headers = result[2] if len(result) == 3 else None
        if len(result) == 2 and not isinstance(status, int):
            status, headers = 200, status
        if isinstance(body, Response):
            response_of(app, request, body)
            body.status = status
            for name, value in pairs_of(headers):
                body.set_header(name, value)
            return body
    else:
        body, status, headers = result, 200, None
    if isinstance(body, str) and not body:
        return Response(body, status, headers)
    if isinstance(body, str) or hasattr(body, "__next__") or hasattr(body, "__anext__"):
        return Response(body, status, headers, app.content_type or "")
    if isinstance(body, (bytes, bytearray, dict, list)):
        return Response(body, status, headers)
    if body is None and (type(result) is tuple or notes_of(request).answered):
        return Response(b"", status, headers)
    raise TypeError(
        "the handler of %s returned %s: a str, bytes, dict, list, generator, Response or "
        "(body, status, headers) is an answer"
        % (request.message.uri, "nothing" if body is None else type(body).__name__)
    )


def plain_error(app, e):
    """What a client is told of an exception."""
    if isinstance(e, HTTPError):
        return Response(e.message + "\n", e.status, e.headers, TEXT)
    if isinstance(e, DecodeError):
        return Response("Bad Request\n", 400, None, TEXT)
    text = "Internal Server Error\n"
    if app.debug:
        from pymongoose.web.debug import traceback

        text += traceback(e)
    return Response(text, 500, None, TEXT)


def handler_of(handlers, e, status):
    """(what, f): the error handler that fits this best, of equal ones the latest; (None, None)."""
    best, found = None, None
    for what, f in handlers:
        if _concerns(what, e, status) and (best is None or not _is_closer(best, what, e)):
            best, found = what, f
    return best, found


def _concerns(what, e, status):
    if isinstance(what, int):
        return what == status
    # A client's bad encoding is a ValueError only to who asks for all exceptions.
    return isinstance(e, what) and (
        not isinstance(e, DecodeError) or what in (DecodeError, Exception)
    )


def _is_closer(a, b, e):
    if isinstance(a, int) or isinstance(b, int):
        # 500 is for what no class is for; other statuses are what HTTPError is about.
        return a != b and isinstance(a, int) == isinstance(e, (HTTPError, DecodeError))
    return a is not b and issubclass(a, b)


def nothing_of(route):
    """What a handler has given that was awaited and gave None. In MicroPython a function that is async
    is a mistake then, one that is not has given a generator without pieces."""
    return None if _CPYTHON or route is None or is_async(route.handler) else ""
