# SPDX-License-Identifier: GPL-2.0-only
"""How a Response leaves."""


def _line(name, value):
    # What stands in a line of its own is no longer told apart from two of them.
    line = "%s: %s" % (name, value)
    for ch in line:
        if ch < " " and ch != "\t" or ch == "\x7f":
            raise ValueError("a header cannot hold %r: %s" % (ch, name))
    return line + "\r\n"


def send(request, response):
    """Answers a request; what it returns is to be awaited, unless it is None."""
    notes, conn = request.notes, request.conn
    if notes is not None:
        if notes.answered:
            return None
        if notes._session is not None:
            from pymongoose.web.session import save

            save(notes, response)
    headers = response.headers
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
