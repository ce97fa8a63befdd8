# SPDX-License-Identifier: GPL-2.0-only
"""PORT CASE COUNT: so many GETs, by a session ("kept") or each on a connection of its own ("new")."""

import sys

from pymongoose import client

port, case, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
url = "http://127.0.0.1:" + port + "/page"
session = client.Session() if case == "kept" else client
for _ in range(count):
    r = session.get(url)
    if r.status_code != 200 or len(r.content) != 1000:
        sys.exit("another answer")
if case == "kept":
    session.close()
