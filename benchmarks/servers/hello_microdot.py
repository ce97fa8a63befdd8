# SPDX-License-Identifier: GPL-2.0-only
# sys.argv[2] is the folder that the package microdot was installed into.
import sys

sys.path.append(sys.argv[2])
from microdot import Microdot

app = Microdot()


@app.route("/")
async def hello(request):
    return "Hello, world!\n"


app.run(host="127.0.0.1", port=int(sys.argv[1]))
