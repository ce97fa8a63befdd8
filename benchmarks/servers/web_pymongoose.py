# SPDX-License-Identifier: GPL-2.0-only
# Runs on CPython and on MicroPython: the hello of hello_pymongoose.py by an App with ten routes.
import sys

from pymongoose import Manager
from pymongoose.web import App

app = App()


@app.get("/")
def hello(request):
    return "Hello, world!\n"


@app.get("/users/<int:id>")
def user(request, id):
    return "Hello, world!\n"


for number in range(8):
    app.get(f"/other/{number}")(hello)

manager = Manager(idle_timeout=3_600_000)
app.attach(manager, "http://127.0.0.1:" + sys.argv[1])
manager.run()
