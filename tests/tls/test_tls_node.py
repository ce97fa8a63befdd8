# SPDX-License-Identifier: GPL-2.0-only
"""Node as the other end of TLS, both ways, and of what begins in the clear."""

import pytest
import starttls_script
import tls_script
from peers import node
from peers.pki import pki

VERSIONS = ["TLSv1.2", pytest.param("TLSv1.3", marks=pytest.mark.needs("tls13"))]


@pytest.fixture
def script(shared, target):
    yield from tls_script.opened(shared, target)


@pytest.fixture
def plain(shared):
    yield from starttls_script.opened(shared)


def reached(script, port):
    host, port = script.reach(port)
    return {"host": host, "port": port}


# ---- Node is the client ------------------------------------------------------------------------

ASK = """
https.get({...to, ...(given.with ? me : {}), path: '/node', agent: false}, response => {
    const s = response.socket;
    let body = '';
    response.on('data', data => body += data);
    response.on('end', () => done(
        [response.statusCode, body, s.getProtocol(), s.authorized, s.getPeerCertificate().subject.CN]));
}).on('error', failed);
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_https_client(script, version):
    port = script.listen()
    said = node.run(ASK, **reached(script, port), version=version)
    assert said == [200, "GET /node 0", version, True, "localhost"]


@pytest.mark.parametrize("version", VERSIONS)
def test_client_with_a_certificate(script, version):
    port = script.listen(ca=pki()["ca"].cert, name="asks")
    said = node.run(ASK, **reached(script, port), version=version, **{"with": True})
    assert said[:4] == [200, "GET /node 0", version, True]


@pytest.mark.parametrize(
    "version, alert",
    [
        ("TLSv1.2", "handshake failure"),
        pytest.param("TLSv1.3", "no certificate", marks=pytest.mark.needs("tls13")),
    ],
)
def test_client_without_a_certificate(script, version, alert):
    """It reads why."""
    port = script.listen(ca=pki()["ca"].cert, name="asks")
    said = node.run(ASK, **reached(script, port), version=version)
    assert said[0] == "failed" and alert in said[2], said
    script.until("errors('server')")
    assert "certificate is missing" in script.eval("errors('server')")[0]


def test_client_of_another_authority(script):
    """Our side reads why, too."""
    port = script.listen(cert="unknown", name="unknown")
    said = node.run(ASK, **reached(script, port))
    assert said[:2] == ["failed", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"]


RESUME = """
let session;
const first = tls.connect(to, () => first.write(given.request));
let reused;
first.on('secureConnect', () => reused = first.isSessionReused());
first.on('session', s => session = s);
first.on('data', () => setTimeout(() => first.end(), 0));
first.on('error', failed);
first.on('close', () => {
    const second = tls.connect({...to, session}, () => second.write(given.request));
    second.on('data', () => done([reused, second.isSessionReused()]));
    second.on('error', failed);
});
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_client_resumes(script, version):
    port = script.listen()
    request = tls_script.REQUEST
    said = node.run(RESUME, **reached(script, port), version=version, request=request)
    assert said == [False, True]


def test_client_chooses_a_protocol(script):
    port = script.listen(name="speaks", alpn=["http/1.1"])
    program = """
    const s = tls.connect({...to, ALPNProtocols: ['x', 'http/1.1']},
        () => done([s.alpnProtocol, s.authorized]));
    s.on('error', failed);
    """
    assert node.run(program, **reached(script, port)) == ["http/1.1", True]


# ---- Node is the server ------------------------------------------------------------------------

SERVER = """
ready(https.createServer({...own, ca, ...given.options}, (request, response) => {
    const s = request.socket, peer = s.getPeerCertificate();
    response.end(JSON.stringify(
        [request.url, s.getProtocol(), s.servername, s.authorized, (peer.subject || {}).CN || '']));
}).on('tlsClientError', error => say(['refused', error.code])));
"""


def ask(script, port, first="GET /device HTTP/1.1\r\nHost: x\r\n\r\n", **given):
    given.setdefault("name", "localhost")
    script.connect(f"https://{script.peer}:{port}/device", first=first, **given)
    script.until("log and log[-1][1] in ('MSG', 'CLOSE')")
    return script.eval("log")


@pytest.mark.parametrize("version", VERSIONS)
def test_https_server(script, version):
    options = {"minVersion": version, "maxVersion": version}
    with node.served(SERVER, options=options) as server:
        log = ask(script, server.port)
    assert [e[1] for e in log] == ["CONNECT", "TLS_HS", "MSG"], log
    assert log[-1][2] == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_server_that_asks_for_a_certificate(script, version):
    options = {"minVersion": version, "maxVersion": version}
    options |= {"requestCert": True, "rejectUnauthorized": True}
    pair = pki()["client"]
    with node.served(SERVER, options=options) as server:
        log = ask(script, server.port, opts="known", cert=pair.cert, key=pair.key)
        assert log[-1][1:3] == ("MSG", 200), log
        script.exec("del log[:]")
        log = ask(script, server.port, opts="unknown")
        refused = server.line()
    assert log[-1][1] == "CLOSE" and "ERROR" in [e[1] for e in log], log
    assert refused[0] == "refused"


def test_server_resumes(script):
    with node.served(SERVER) as server:
        for _ in range(2):
            script.exec("del log[:]")
            assert ask(script, server.port)[-1][1] == "MSG"


# ---- What begins in the clear ------------------------------------------------------------------

STARTTLS = """
const raw = net.connect(port, host);
raw.once('data', () => raw.write('STARTTLS\\r\\n'));
let lines = 0;
raw.on('data', function wait(data) {
    if (!String(data).includes('220 go')) return;
    raw.removeListener('data', wait);
    const s = tls.connect({...to, socket: raw}, () => s.write('secret'));
    s.on('data', data => done([String(data), s.getProtocol(), s.authorized]));
    s.on('error', failed);
});
raw.on('error', failed);
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_starttls_client(plain, version):
    said = node.run(STARTTLS, **reached(plain, plain.port()), version=version)
    assert said == ["secret", version, True]


UPGRADES = """
const secure = tls.createSecureContext(own);
ready(net.createServer(raw => {
    raw.write('220 ready\\r\\n');
    raw.once('data', line => {
        raw.write('220 go\\r\\n');
        const s = new tls.TLSSocket(raw, {isServer: true, secureContext: secure, ...given.options});
        s.on('data', data => s.write('within ' + data));
        s.on('error', () => 0);
        raw.on('error', () => 0);
    });
}));
"""
STEPS = "(b'220 ready', b'STARTTLS\\r\\n'), (b'220 go', None), ('TLS', b'secret'), (b'within', b'')"


@pytest.mark.parametrize("version", VERSIONS)
def test_starttls_server(plain, version):
    options = {"minVersion": version, "maxVersion": version}
    with node.served(UPGRADES, options=options) as server:
        plain.exec(f"start({server.port}, {STEPS})")
        plain.until("any(b'within' in (e[1] or b'') for e in log if e[0] == 'READ')")
        assert ("READ", b"within secret") in plain.eval("log")
        plain.exec("conns[-1].close()")
