# SPDX-License-Identifier: GPL-2.0-only
"""max_memory: when it is short, who holds the most of an unfinished message ends, and nobody else."""

import contextlib
import subprocess

import pytest
from peers.clients import Raw, frame, read_frame, ws_open
from peers.mqtt_peers import CONNACK, DISCONNECT, connect, publish, read_packet
from peers.pki import NOW, pki
from targets import ROOT

SERVER = r"""
log, forms = [], []

def web(c, ev, data):
    if ev == MG_EV_HTTP_HDRS and data.uri == "/form":
        c.http_stream_form(max_size=0)
        forms.append(data.uri)
    elif ev == MG_EV_HTTP_MSG:
        c.userdata = data.uri
        if data.uri == "/ws":
            c.ws_upgrade(data)
        elif data.uri == "/big":
            c.reply(200, "x" * PARAMS["reply"])
        else:
            c.reply(200, str(len(data.body_bytes)))
    elif ev == MG_EV_WS_MSG:
        c.ws_send(str(len(data.data)), WEBSOCKET_OP_TEXT)
    elif ev == MG_EV_ERROR:
        log.append(data)

def mqtt(c, ev, data):
    if ev == MG_EV_ERROR:
        log.append(data)

def raw(c, ev, data):
    if ev == MG_EV_ERROR:
        log.append(data)

m = Manager(web, **PARAMS["limits"])
announce("PORT", m.listen(url("http")))
if PARAMS.get("kind", "").startswith("mqtt"):
    announce("MQTT", m.mqtt_listen(url("mqtt"), mqtt))
announce("RAW", m.listen(url("tcp"), raw))

def held():
    return sum(c.recv_len for c in m.connections)

serve(m)
"""

WHY = "no memory left of what max_memory allows"
GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def post(length, data=b"", path="/"):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + data


@pytest.fixture
def start(device, target):
    """A server with so much memory, and clients of it."""
    opened = contextlib.ExitStack()

    def start(size, **params):
        limits = {"max_body": 0, "max_message": 0, "max_recv": 0}
        limits |= {"max_memory": size} if size is not None else {}
        running = device(SERVER, limits=limits | params.pop("limits", {}), **params)
        running.expect("SERVING")

        def client(data=b"", name="PORT", **kwargs):
            made = opened.enter_context(Raw(running.reach(running.port(name)), **kwargs))
            made.send(data)
            return made

        return running, client

    yield start
    opened.close()


def begin(kind, client, size):
    """One that has sent `size` bytes of a message of twice as many."""
    data = b"x" * size
    if kind == "body":
        return client(post(2 * size, data))
    if kind == "chunks":
        head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        return client(head.encode() + b"%x\r\n" % (2 * size) + data)
    if kind in ("message", "fragments"):
        hog = client()
        ws_open(hog, "/ws")
        parts = 1 if kind == "message" else 4
        for n in range(parts - 1):
            hog.send(frame(2 if n == 0 else 0, data[: size // parts], fin=False))
        opcode = 2 if parts == 1 else 0
        hog.send(frame(opcode, data[: size // parts], length=2 * size))
        return hog
    if kind == "raw":
        return client(data, "RAW")
    version = int(kind[-1])
    hog = client(connect(version=version), "MQTT")
    assert read_packet(hog)[0] == CONNACK
    hog.send(publish("t", b"x" * (2 * size), version=version)[:size])
    return hog


def end_of(kind, hog):
    if kind in ("body", "chunks"):
        assert hog.response().status == 413
    elif kind in ("message", "fragments"):
        assert read_frame(hog)[3] == (1009).to_bytes(2, "big")
    elif kind == "mqtt5":
        assert read_packet(hog) == (DISCONNECT, 0, b"\x97")
    with contextlib.suppress(ConnectionResetError):  # of what was not read any more
        assert hog.recv_all() == b""


KINDS = ["body", "chunks", "message", "fragments", "mqtt4", "mqtt5", "raw"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_hog_goes_and_the_healthy_stay(start, target, kind):
    size = target.size(4 << 20, 16384)
    count = min(target.sockets(100, 9), target.size(100, 6))
    running, client = start(size, kind=kind)
    hog = begin(kind, client, size * 7 // 10)
    running.until(f"held() >= {size * 6 // 10}")
    part = size * 4 // 10 // count
    healthy = [client(post(part + 1, b"y" * part)) for _ in range(count)]
    end_of(kind, hog)
    for one in healthy:
        one.send(b"z")
        assert one.response().body == b"%d" % (part + 1)
    told = [] if kind in ("body", "chunks") else [WHY]
    assert running.eval("log") == told


@pytest.mark.parametrize("kind", KINDS)
def test_alone_it_ends_when_there_is_no_more(start, target, kind):
    size = target.size(1 << 20, 12288)
    running, client = start(size, kind=kind)
    with contextlib.suppress(ConnectionError):
        hog = begin(kind, client, size + size // 2)
        end_of(kind, hog)
    assert client(GET).response().status == 200
    running.until(f"len(log) == {int(kind not in ('body', 'chunks'))}")


def test_what_a_message_costs_does_not_hang_on_those_before(start, target):
    """A buffer that is kept for the next large message is not for a small one that needs the memory."""
    size = target.size(1_200_000, 16384)
    running, client = start(size, reply=size * 2 // 3)
    one = client(post(size * 5 // 12, b"x" * (size * 5 // 12)))
    assert one.response().status == 200
    one.send(post(size * 3 // 40, b"y" * (size * 3 // 40), "/big"))
    assert one.response().status == 200


@pytest.mark.needs("host-network")
def test_a_reply_that_is_not_taken_is_unfinished_too(start, target):
    size = target.size(40 << 20, 32768)
    running, client = start(size, reply=size * 7 // 10)
    slow = client("GET /big HTTP/1.1\r\nHost: x\r\n\r\n", receive_buffer=4096)
    running.until("sum(c.send_len for c in m.connections) > 0")
    healthy = [client(post(size // 10 + 1, b"y" * (size // 10))) for _ in range(4)]
    running.until(f"log == [{WHY!r}]")
    for one in healthy:
        one.send(b"z")
        assert one.response().status == 200
    assert len(slow.recv_all()) < size * 7 // 10


def test_between_losing_it_and_hearing_of_it_nothing_is_read(start, target):
    """What came later would look as if it came next."""
    size = target.size(4 << 20, 16384)
    running, client = start(size, limits={"max_send": 0, "max_recv": 2 * size})
    begin("raw", client, size * 7 // 10)
    running.until(f"held() >= {size * 6 // 10}")
    client(name="RAW")
    running.until("len(m.connections) == 4")
    running.exec("hog, c = m.connections[-2:]")
    many = size * 4 // 10
    told = running.eval(f"(c.send(b'x' * {many}), hog.recv(), hog.is_full, len(log))[1:]")
    assert told == (b"", True, 0)
    running.until(f"log == [{WHY!r}]")
    running.exec("c.close()")


@pytest.mark.needs("host-network")
def test_what_goes_on_a_lost_reply_is_refused(start, target):
    """It counts no more: without a limit it could have any size."""
    size = target.size(40 << 20, 32768)
    running, client = start(size, reply=size * 7 // 10, limits={"max_send": 0})
    client("GET /big HTTP/1.1\r\nHost: x\r\n\r\n", receive_buffer=4096)
    running.until("sum(c.send_len for c in m.connections) > 0")
    client(name="RAW")
    running.until("len(m.connections) == 4")
    running.exec(
        "hog, c = m.connections[-2:]\n"
        f"piece = b'x' * {size * 4 // 10}\n"
        "c.send(piece)\n"
        "raises(MemoryError, lambda: hog.send(piece))\n"
    )
    running.until(f"log == [{WHY!r}]")
    running.exec("c.close()")


def test_what_a_program_queues_is_refused(start, target):
    """By default, on a board, before its heap is used up."""
    running, client = start(target.size(4 << 20, None), limits={"max_send": 0})
    client(name="RAW")
    running.until("len(m.connections) == 3")
    running.exec(
        "c = m.connections[-1]\n"
        "piece = b'x' * 2000\n"
        "def fill():\n"
        "  while True:\n"
        "    c.send(piece)\n"
        "raises(MemoryError, fill)\n"
    )
    assert client(GET).response().status == 200
    running.exec("c.close()")


def test_what_was_refused_is_had_when_there_is_room(start, target):
    """Before the loop goes on, too: little at once, much when a program has read what it kept."""
    size = target.size(4 << 20, 16384)
    limits = {"max_send": 0, "max_recv": size // 2}
    running, client = start(size, limits=limits)
    client(b"x" * (size // 2), "RAW")
    running.until("any(c.is_full for c in m.connections)")
    for _ in range(2):
        client(name="RAW")
    running.until("len(m.connections) == 5")
    running.exec(
        "full, c, d = m.connections[-3:]\n"
        "piece = b'x' * 1500\n"
        "def fill():\n"
        "  while True:\n"
        "    c.send(piece)\n"
        "raises(MemoryError, fill)\n"
        f"big = b'x' * {size // 4}\n"
        "raises(MemoryError, d.send, big)\n"
        "d.send(b'x' * 100)\n"
        "raises(MemoryError, c.send, piece)\n"
        "full.recv()\n"
        "d.send(big)\n"
        "c.close()\n"
    )
    assert running.eval("log") == []


def test_no_single_send_takes_all_that_is_kept_for_small_ones(start):
    """The last sixteenth: half of what is left at most, so that something smaller still goes."""
    running, client = start(16384, limits={"max_send": 0})
    for _ in range(3):
        client(name="RAW")
    running.until("len(m.connections) == 5")
    running.exec(
        "c, d, e = m.connections[-3:]\n"
        "c.send(b'x' * 15300)\n"
        "raises(MemoryError, d.send, b'x' * 1060)\n"
        "d.send(b'x' * 500)\n"
        "e.send(b'x' * 100)\n"
        "[i.close() for i in (c, d, e)]\n"
    )
    assert running.eval("log") == []


def test_wakeups_have_a_quarter_and_count(start):
    running, client = start(16384, limits={"max_send": 0})
    client(name="RAW")
    running.until("len(m.connections) == 3")
    running.exec(
        "c = m.connections[-1]\n"
        "n = 0\n"
        "while m.wakeup(c.id, b'x' * 400):\n"
        "  n += 1\n"
        "raises(MemoryError, c.send, b'x' * 13000)\n"
    )
    assert 5 <= running.eval("n") <= 10
    running.until("m.wakeup(c.id, b'x' * 400)")  # there is room again
    running.exec("c.send(b'x' * 13000); c.close()")


LISTING = r"""
folder = PARAMS["folder"]
def web(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        c.serve_dir(data, folder)
errors = []
m = Manager(web, max_memory=PARAMS["size"], error_handler=errors.append)
announce("PORT", m.listen(url("http")))
serve(m)
"""


@pytest.mark.needs("process")
def test_a_listing_counts_while_it_is_made(device, tmp_path):
    for i in range(200):
        (tmp_path / f"{i:03}{'x' * 50}").write_text("")
    running = device(LISTING, folder=str(tmp_path), size=20000)
    running.expect("SERVING")
    with Raw(running.reach(running.port())) as raw:
        raw.send(GET)
        assert raw.response().status == 500
    assert "no memory for the listing" in running.eval("str(errors)")
    for i in range(195):
        (tmp_path / f"{i:03}{'x' * 50}").unlink()
    with Raw(running.reach(running.port())) as raw:
        raw.send(GET)
        assert raw.response().status == 200


def test_a_session_counts_what_it_keeps(device):
    running = device(
        "m = Manager(max_memory=40000)\n"
        "from pymongoose.mqtt import MqttSession\n"
        "s = MqttSession(m, peer('mqtt', 1), 'one', queue_max=1000)\n"
        "def fill():\n"
        "  while True:\n"
        "    s.publish('t', b'x' * 1000, qos=1)\n"
        "serve(m)\n"
    )
    running.expect("SERVING")
    running.exec("raises(MemoryError, fill)")
    assert 20 < running.eval("s.queued") < 40
    running.exec("s.close()")


TLS = r"""
set_clock(PARAMS["now"])
log = []
def handler(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        c.reply(200, "ok")
    elif ev == MG_EV_ERROR:
        log.append(data)
m = Manager(handler, max_memory=PARAMS["size"])
secure = m.listen(url("https"))
secure.tls_init(TlsOpts(cert=PARAMS["cert"], key=PARAMS["key"]))
announce("SECURE", secure)
announce("PORT", m.listen(url("http")))
serve(m)
"""


@pytest.mark.needs("memory")
def test_tls_counts(device):
    pair = pki()["ec"]
    running = device(TLS, cert=pair.cert, key=pair.key, now=int(NOW.timestamp()), size=50000)
    running.expect("SERVING")
    with contextlib.ExitStack() as opened:
        for _ in range(5):
            opened.enter_context(Raw(running.reach(running.port("SECURE"))))
        running.until("len(log) >= 3")
        assert "no memory for TLS" in running.eval("log[0]")
        raw = opened.enter_context(Raw(running.reach(running.port())))
        assert raw.ask(GET).status == 200


# ---- The default ---------------------------------------------------------------------------------

GROUPS = {
    "none": ("0::/\n", {}, None),
    "version 2": ("0::/a/b\n", {"a/b/memory.max": "900000000\n"}, 900000000),
    "above": ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "800000\n"}, 800000),
    "of its own": ("0::/\n", {"memory.max": "700000\n"}, 700000),
    "version 1": (
        "5:cpu:/x\n4:memory:/a\n0::/\n",
        {"memory/a/memory.limit_in_bytes": "600000\n"},
        600000,
    ),
    "no limit": ("4:memory:/a\n", {"memory/a/memory.limit_in_bytes": f"{2**63 - 4096}\n"}, None),
    "broken": ("\n::\n:\nx", {}, None),
}


@pytest.fixture(scope="module")
def memory(mongoose, tmp_path_factory):
    """A program that prints the memory there is, where cgroup and fs/ of its folder say so.

    It asks twice, and the files are read once."""
    folder = tmp_path_factory.mktemp("memory")
    (folder / "main.c").write_text(
        "#include <stdio.h>\nsize_t pmg_machine_memory(void);\n"
        "int main(void) { size_t n = pmg_machine_memory();\n"
        'remove("cgroup"); printf("%zu", n == pmg_machine_memory() ? n : 0); }\n'
    )
    flags = ["-w", "-O1", "-ffunction-sections", "-Wl,--gc-sections", "-DMG_ARCH=MG_ARCH_CUSTOM"]
    flags += [f"-I{ROOT}/shared", f"-I{mongoose}"]
    flags += ['-DPMG_PROC_CGROUP="cgroup"', '-DPMG_SYS_CGROUP="fs"']
    sources = [f"{ROOT}/shared/base/{name}.c" for name in ("machine", "text", "form")]
    program = folder / "memory"
    subprocess.run(["cc", *flags, folder / "main.c", *sources, "-o", program], check=True)
    return program


@pytest.mark.parametrize("case", GROUPS)
def test_a_group_of_processes(memory, tmp_path, case):
    lines, files, expected = GROUPS[case]
    (tmp_path / "cgroup").write_text(lines)
    for name, content in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    told = int(subprocess.run([memory], cwd=tmp_path, capture_output=True, check=True).stdout)
    with open("/proc/meminfo") as f:
        machine = int(f.readline().split()[1]) * 1024  # MemTotal, in kB
    assert told == (expected or machine)


def test_what_forms_are_read_with_is_counted(start):
    server, client = start(12000)
    kind = "Content-Type: multipart/form-data; boundary=X\r\nContent-Length: 7\r\n\r\n"
    clients = []
    for i in range(8):
        clients.append(client("POST /form HTTP/1.1\r\nHost: x\r\n" + kind + "--X"))
        server.until(f"len(forms) > {i}")
    refused = len(server.eval("log"))
    assert server.eval("log") == [WHY] * refused and 0 < refused < 8
    for one in clients[-refused:]:
        assert one.response("POST").status == 413
    for one in clients[:-refused]:
        one.send("--\r\n")
        assert one.response("POST").status == 200
    assert server.eval("log") == [WHY] * refused  # and it is given back
    again = client("POST /form HTTP/1.1\r\nHost: x\r\n" + kind + "--X--\r\n")
    assert again.response("POST").status == 200
