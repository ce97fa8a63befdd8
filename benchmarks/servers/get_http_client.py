# SPDX-License-Identifier: GPL-2.0-only
"""As get_pymongoose.py, by Python's own http.client."""

import http.client
import sys

port, case, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
connection = http.client.HTTPConnection("127.0.0.1", port)
for _ in range(count):
    connection.request("GET", "/page")
    r = connection.getresponse()
    if r.status != 200 or len(r.read()) != 1000:
        sys.exit("another answer")
    if case == "new":
        connection.close()
