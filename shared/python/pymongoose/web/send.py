# SPDX-License-Identifier: GPL-2.0-only
"""How a Response leaves."""

from pymongoose import Error


def send(request, response):
    """Answers a request."""
    if request.answered:
        return
    headers = response.headers
    if request._session is not None:
        from pymongoose.web.session import save

        save(request, response)
    request.answered = True
    conn = request.conn
    if response.file is not None:
        lines = "".join(["%s: %s\r\n" % pair for pair in headers])
        if isinstance(response.file, dict):  # of a static folder
            conn.serve_dir(request.message, response.file, lines, listing=response.listing)
        elif response.file_type:
            name = response.file.split("/")[-1]
            kind = name.split(".")[-1] + "=" + response.file_type if "." in name else ""
            conn.serve_file(request.message, response.file, lines, kind)
        else:
            conn.serve_file(request.message, response.file, lines)
    elif isinstance(response.body, (str, bytes, bytearray)):
        try:
            conn.reply(response.status, response.body, headers)
        except Error:
            if not request.by_hand:
                raise
    else:
        from pymongoose.web.stream import begin

        begin(request, response)
