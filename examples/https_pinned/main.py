# SPDX-License-Identifier: GPL-2.0-only
"""Asks an HTTPS server that one authority alone may vouch for: main.py URL CA_FILE"""

import sys

from pymongoose import TlsOpts, client


def main(url, ca_file):
    with open(ca_file, "rb") as f:
        # Instead of all that the system trusts: PEM or DER, one certificate or several.
        tls = TlsOpts(ca=f.read())
    with client.Session(tls=tls, timeout=15, max_redirects=0) as session:
        r = session.get(url, headers={"User-Agent": "https_pinned"})
        r.raise_for_status()
        return r.text


if len(sys.argv) != 3 or not sys.argv[1].startswith("https://"):
    print("usage: main.py https://HOST/PATH CA_FILE")
    sys.exit(2)
try:
    print(main(sys.argv[1], sys.argv[2]))
except (client.RequestError, OSError, ValueError) as e:
    print("not asked, or not answered: %s" % e)
    sys.exit(1)
