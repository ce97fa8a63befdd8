# SPDX-License-Identifier: GPL-2.0-only
"""Examples that ask a server: by TLS with one authority, and for an update."""

import contextlib
import functools
import http.server
import ipaddress
import json
import re
import ssl
import subprocess
import threading

import pytest
from cryptography import x509
from peers.clients import here
from peers.pki import DAY, NOW, make, pki
from targets import ROOT

process = pytest.mark.needs("process")
PUBLISH = ROOT / "examples/signed_update/publish.sh"


@contextlib.contextmanager
def site(folder, pair=None):
    """Python's own server of a folder's files; gives its port."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer((here(), 0), handler) as server:
        if pair:
            (folder / "tls").mkdir(exist_ok=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair.files(folder / "tls"))
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.cost(8)
@pytest.mark.parametrize(
    ("authority", "name", "end", "said"),
    [
        ("ca", None, 30, "the secret page"),
        ("other_ca", None, 30, "not answered: GET .* CA"),
        pytest.param("ca", "elsewhere.test", 30, "not answered: GET .*name", marks=process),
        pytest.param("ca", None, -1, "not answered: GET .* expired", marks=process),
    ],
)
def test_https_pinned(example, target, tmp_path, authority, name, end, said):
    """Its authority alone is trusted, and a refusal says why."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/page").write_text("the secret page")
    address = x509.IPAddress(ipaddress.ip_address(target.peer))
    names = [x509.DNSName(name)] if name else [address]
    pair = make("server", pki()["ca"], names, NOW - 3 * DAY, NOW + end * DAY)
    with site(tmp_path / "site", pair) as port:
        files = {"ca.pem": pki()[authority].cert}
        url = f"https://{target.peer}:{port}/page"
        running = example("https_pinned", url, "ca.pem", files=files)
        code = running.exit_code()
    assert re.search(said, running.console), running.console
    assert code == (0 if said == "the secret page" else 1)
    assert ("the secret page" in running.console) == (code == 0)


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in ("own", "foreign"):
        run = ["openssl", "genrsa", "-out", str(folder / f"{name}.pem"), "2048"]
        subprocess.run(run, check=True, capture_output=True)
    return lambda name: folder / f"{name}.pem"


def publish(key, version, folder, text):
    app = folder / "my_app.py"
    app.write_text(text)
    run = ["sh", str(PUBLISH), str(key), str(version), str(app), str(folder)]
    subprocess.run(run, check=True, capture_output=True)
    app.unlink()


def break_signature(folder):
    data = bytearray((folder / "manifest.sig").read_bytes())
    data[100] ^= 1
    (folder / "manifest.sig").write_bytes(data)


def another_version(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "version": 9}))


BAD = {
    "another key": lambda folder, key: publish(key("foreign"), 3, folder, "evil"),
    "a broken signature": lambda folder, key: break_signature(folder),
    "a short signature": lambda folder, key: (folder / "manifest.sig").write_bytes(b"\0" * 255),
    "no signature": lambda folder, key: (folder / "manifest.sig").unlink(),
    "a signature of 0": lambda folder, key: (folder / "manifest.sig").write_bytes(bytes(256)),
    "another version": lambda folder, key: another_version(folder),
    "another file": lambda folder, key: (folder / "app.py").write_text("evil!!"),
    "a longer file": lambda folder, key: (folder / "app.py").write_text("print(3)" + "#" * 9000),
    "no file": lambda folder, key: (folder / "app.py").unlink(),
}


@process
def test_signed_update(example, target, tmp_path, key):
    """openssl's signatures are taken; what anybody has changed is not, and the old program stays."""
    folder, device = tmp_path / "site", tmp_path / "device"
    folder.mkdir()
    device.mkdir()
    publish(key("own"), 1, folder, "print(1)")
    own = (folder / "update.pub").read_bytes()
    (tmp_path / "update.pub").write_bytes(own)

    def run():
        running = example("signed_update", f"http://{target.peer}:{port}", "device")
        return running.exit_code(), running.console

    with site(folder) as port:
        assert run() == (0, "updated to 1")
        assert run() == (0, "nothing new, 1 stays")
        publish(key("own"), 2, folder, "print(2)")
        assert run() == (0, "updated to 2")
        for name, spoil in BAD.items():
            publish(key("own"), 3, folder, "print(3)")
            spoil(folder, key)
            code, said = run()
            assert (code, said[:9]) == (1, "refused: "), (name, said)
            assert (device / "app.py").read_text() == "print(2)", name
            assert sorted(path.name for path in device.iterdir()) == ["app.py", "version"], name
        publish(key("own"), 1, folder, "print(1)")
        assert run() == (0, "nothing new, 2 stays")
        publish(key("own"), 3, folder, "print(3)")
        assert run() == (0, "updated to 3")


@pytest.mark.needs("board")
@pytest.mark.cost(10)
def test_signed_update_on_a_board(example, target, tmp_path, key):
    publish(key("own"), 1, tmp_path, "print(1)" + "#" * 5000)
    files = {"update.pub": (tmp_path / "update.pub").read_bytes()}
    with site(tmp_path) as port:
        url = f"http://{target.peer}:{port}"
        running = example("signed_update", url, ".", files=files)
        assert running.exit_code() == 0
        assert "updated to 1" in running.console
        break_signature(tmp_path)
        running = example("signed_update", url, ".", files=files)
        assert running.exit_code() == 1
        assert "signature is wrong" in running.console
