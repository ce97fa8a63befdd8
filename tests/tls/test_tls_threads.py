# SPDX-License-Identifier: GPL-2.0-only
"""TlsOpts shared by Managers of several threads. tools/test/sanitize.sh threads runs this under TSan."""

import pytest
from peers.pki import NOW, pki

SCRIPT = """
import _thread

set_clock(PARAMS["now"])
THREADS = 1 if MICROPYTHON else 8  # there a TlsOpts belongs to one thread
PER_THREAD = 12
server_opts = TlsOpts(cert=PARAMS["cert"], key=PARAMS["key"], alpn=["echo", "other"])
client_opts = TlsOpts(ca=PARAMS["ca"], name="localhost", alpn=["other", "echo"])
results = [None] * THREADS

def worker(n):
    seen = []
    def serve_one(c, ev, data):
        if ev == MG_EV_READ:
            c.send(c.recv())
    def ask(c, ev, data):
        if ev == MG_EV_TLS_HS:
            c.send("hello")
        elif ev == MG_EV_READ:
            seen.append((c.recv(), c.alpn))
            c.drain()
        elif ev == MG_EV_ERROR:
            seen.append(data)
    try:
        with Manager() as m:
            listener = m.listen(url("tls"), serve_one)
            listener.tls_init(server_opts)
            for i in range(PER_THREAD):
                own = TlsOpts(ca=PARAMS["ca"], name="localhost") if i % 4 == 3 else client_opts
                # The others' sessions are for the same name: only the ports differ.
                m.connect(url("tls", port_of(listener)), ask).tls_init(own)
                poll_until(m, lambda: len(seen) > i, 60000)
            own = None
        results[n] = seen
    except BaseException as e:
        results[n] = error_text(e)

for n in range(1, THREADS):
    _thread.start_new_thread(worker, (n,))
worker(0)
start = ticks_ms()
while None in results and ticks_diff(ticks_ms(), start) < 80000:
    time.sleep(0.01)
print("RESULTS", results)
"""


@pytest.mark.needs("loopback")
def test_one_in_many_threads(device):
    pair = pki()["ec"]
    now = int(NOW.timestamp())
    script = device(SCRIPT, cert=pair.cert, key=pair.key, ca=pki()["ca"].cert, now=now)
    expected = [(b"hello", "echo"), (b"hello", "echo"), (b"hello", "echo"), (b"hello", None)] * 3
    results = eval(script.expect("RESULTS", 80))
    assert results == [expected] * len(results)
