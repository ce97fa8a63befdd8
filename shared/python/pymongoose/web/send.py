# SPDX-License-Identifier: GPL-2.0-only
"""How a Response leaves."""

from pymongoose.web.headers import pairs_of

_BODILESS = 204, 205, 304  # whose answers have none (RFC 9110)


# As Flask does it: the status counts.
def _leave_out(request, response):
    body, response.body = response.body, b""
    if hasattr(body, "close"):
        body.close()
    elif hasattr(body, "__anext__") or response.file is not None:
        pass
    elif not body:
        return
    response.file = None
    lower = ("content-type", "content-length")
    response.headers = [pair for pair in pairs_of(response.headers) if pair[0].lower() not in lower]
    if request.app.debug:
        import sys

        text = "pymongoose.web: the body of %s is left out, a %d has none"
        print(text % (request.message.uri, response.status), file=sys.stderr)


def _line(name, value):
    # What stands in a line of its own is no longer told apart from two of them.
    line = "%s: %s" % (name, value)
    for ch in line:
        if ch < " " and ch != "\t" or ch == "\x7f":
            raise ValueError("a header cannot hold %r: %s" % (ch, name))
    return line + "\r\n"


# Its handler sent an answer itself, and the client waits for that of another request by now.
def _is_behind(request):
    runner = request.app._runner
    return runner is not None and runner.last.get(request.conn.id, request) is not request


def send(request, response):
    """Answers a request; what it returns is to be awaited, unless it is None."""
    notes, conn = request.notes, request.conn
    if notes is not None:
        if notes.answered or notes.kept and _is_behind(request):
            return None
        if notes._session is not None:
            from pymongoose.web.session import save

            save(notes, response)
    if response.status in _BODILESS:
        _leave_out(request, response)
    headers = pairs_of(response.headers)
    if response.file is not None:
        lines = "".join([_line(name, value) for name, value in headers])
        if isinstance(response.file, dict):  # of a static folder
            conn.serve_dir(request.message, response.file, lines, listing=response.listing)
        elif response.file_type:
            name = response.file.split("/")[-1]
            kind = name.split(".")[-1] + "=" + response.file_type if "." in name else ""
            conn.serve_file(request.message, response.file, lines, kind)
        else:
            conn.serve_file(request.message, response.file, lines)
    elif isinstance(response.body, (str, bytes, bytearray)):
        conn.reply(response.status, response.body, headers)
    else:
        from pymongoose.web.stream import begin

        return begin(request, response)
    if notes is not None:
        notes.answered = True
    return None
