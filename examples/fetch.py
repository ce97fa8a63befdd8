# SPDX-License-Identifier: GPL-2.0-only
# Shows a page, past redirects, or stores it in a file:
#   python3 fetch.py https://example.com/ [page.html]
import sys

from pymongoose import client

if len(sys.argv) < 2:
    print("usage: fetch.py URL [FILE]")
    sys.exit(2)
try:
    with client.get(sys.argv[1], stream=True) as r:
        r.raise_for_status()
        if len(sys.argv) > 2:
            print("stored %d bytes of %s" % (r.save(sys.argv[2]), r.url))
        else:
            print(r.text)
except (client.RequestError, OSError, ValueError) as e:
    print(e)
    sys.exit(1)
