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

# The rest is imported when it is asked for: on a board it would cost memory.
_LATER = {
    "BasicAuth": "auth",
    "BearerAuth": "auth",
    "EventStream": "live",
    "Fields": "request",
    "File": "form",
    "TestClient": "testing",
    "TestResponse": "testing",
    "TestWebSocket": "testing",
    "WebSocket": "live",
    "CORS": "guard",
    "CSRF": "guard",
    "RateLimit": "guard",
    "raw": "template",
    "render": "template",
    "render_text": "template",
}


def __getattr__(name):
    module = _LATER.get(name)
    if module is None:
        raise AttributeError("pymongoose.web has no attribute " + name)
    return getattr(__import__("pymongoose.web." + module, None, None, [name]), name)
