# SPDX-License-Identifier: GPL-2.0-only
import sys

import bjoern

HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "14")]


def app(environ, start_response):
    start_response("200 OK", HEADERS)
    return [b"Hello, world!\n"]


bjoern.run(app, "127.0.0.1", int(sys.argv[1]))
