# SPDX-License-Identifier: GPL-2.0-only
"""Asks an HTTPS server that one authority alone may vouch for: main.py URL CA_FILE"""

import sys

from pymongoose import TlsOpts, client

ARGS = getattr(sys, "argv", [""])[1:]  # a board has none: write them here


def main(url, ca_file):
    with open(ca_file, "rb") as f:
        # Instead of all that the system trusts: PEM or DER, one certificate or several.
        tls = TlsOpts(ca=f.read())
    with client.Session(tls=tls, timeout=15, max_redirects=0) as session:
        r = session.get(url, headers={"User-Agent": "https_pinned"})
        r.raise_for_status()
        return r.text


if len(ARGS) != 2 or not ARGS[0].startswith("https://"):
    print("usage: main.py https://HOST/PATH CA_FILE")
    sys.exit(2)
try:
    print(main(ARGS[0], ARGS[1]))
except (client.RequestError, OSError, ValueError) as e:
    print("not asked, or not answered: %s" % e)
    sys.exit(1)
