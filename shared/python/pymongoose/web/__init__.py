# SPDX-License-Identifier: GPL-2.0-only
"""Small web applications: routes, forms, cookies, sessions, on CPython and MicroPython.

from pymongoose.web import App

app = App()

@app.get("/hello/<name>")
def hello(request, name):
    return "Hello, %s\\n" % name

app.run()
"""

from pymongoose import HttpRequest as Request  # noqa: F401
from pymongoose.web.app import App  # noqa: F401
from pymongoose.web.response import (  # noqa: F401
    HTTPError,
    Response,
    abort,
    redirect,
    send_file,
)

# The rest is imported when it is asked for: on a board it would cost memory, as a dict of it would.
_LATER = (
    " auth BasicAuth BearerAuth; live EventStream WebSocket; request Fields; form File;"
    " headers Headers; testing TestClient TestResponse TestWebSocket; guard CORS CSRF RateLimit;"
    " template raw render render_text;"
)


def __getattr__(name):
    for words in _LATER.split(";"):
        module, *names = words.split() or [""]
        if name in names:
            found = __import__("pymongoose.web." + module, None, None, [name])
            return getattr(found, name)
    raise AttributeError("pymongoose.web has no attribute " + name)
