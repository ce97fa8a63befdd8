# SPDX-License-Identifier: GPL-2.0-only
"""Memory that ends, through both bindings: of each scene the N-th allocation fails, once or from then on,
for a share of all N. tests/fuzz/countdown.c has every N, on the core alone.

What Python runs in may be its own heap, too: on CPython it comes from malloc() then, on MicroPython and
boards all but a little of it is taken.
"""

import sys

import pytest
from peers.faults import faulty  # noqa: F401
from peers.pki import NOW, pki

SCRIPT = r"""
from pymongoose.mqtt import MqttSession
from pymongoose.web import App

set_clock(PARAMS["now"])
done, told = [], []

def tell(what):
    # With an allocation failing, nothing is made here but a place in a list.
    if len(told) < 50:
        told.append(what)

class Told(Exception):
    pass

def server(c, ev, data):
    if ev == MG_EV_HTTP_HDRS and data.uri == "/up":
        c.http_stream_body(PARAMS["folder"] + "/up", max_size=0)
    elif ev == MG_EV_HTTP_HDRS and data.uri == "/form":
        c.http_stream_form(max_size=0)
    elif ev == MG_EV_HTTP_MSG and c.is_client is False:
        if data.uri == "/ws":
            c.ws_upgrade(data)
        elif data.uri == "/chunks":
            c.reply(200, "", headers={"Transfer-Encoding": "chunked"})
            c.http_chunk("part")
            c.http_chunk("")
        else:
            c.reply(200, "x" * 3000, headers={"X-A": data.header("X-A", "b")})
    elif ev == MG_EV_WS_MSG:
        c.ws_send(data.text, data.flags)
    elif ev == MG_EV_MQTT_MSG:
        c.mqtt_pub("back", data.data, 1)
    elif ev == MG_EV_MODBUS_REQ:
        c.modbus_reply(range(data.count))

def ended(c, ev, data):
    # The client's side of any scene: its end, and why.
    if ev == MG_EV_ERROR:
        tell(data)
    elif ev == MG_EV_CLOSE:
        tell("closed")

def request(text, good, at=None):
    def ask(c, ev, data):
        if ev == MG_EV_CONNECT:
            c.send(text)
        elif ev == MG_EV_HTTP_MSG:
            if data.status() == good:
                done.append(len(data.body_bytes))
            else:
                tell(data.status())
            c.close()
        else:
            ended(c, ev, data)
    return m.connect(at or at_http, ask)

def get_():
    request(GET, 200)
def chunks():
    request(CHUNKS, 200)
def upload():
    request(UPLOAD, 200)
def form():
    request(FORM, 200)

def routes():
    request(ROUTE, 200, at_app)

def websocket():
    def talk(c, ev, data):
        if ev == MG_EV_WS_OPEN:
            c.ws_send("hello")
        elif ev == MG_EV_WS_MSG:
            done.append(data.text)
            c.close()
        else:
            ended(c, ev, data)
    m.ws_connect(at_ws, talk)

def mqtt():
    def talk(c, ev, data):
        if ev == MG_EV_MQTT_OPEN:
            c.mqtt_sub("back", 1)
            c.mqtt_pub("there", "hello", 2)
        elif ev == MG_EV_MQTT_MSG:
            done.append(data.topic)
            c.close()
        else:
            ended(c, ev, data)
    m.mqtt_connect(at_mqtt, talk, client_id="me", username="u", password="p", version=5,
        properties=[(33, 5), (38, ("k", "v"))])

def session():
    s = MqttSession(m, at_mqtt, "me", retry_min=20, retry_max=50, version=4,
        on_delivery=lambda token, state, reason: done.append(token) if state == "acknowledged" else tell(state))
    try:
        if s.publish("there", "hello", 1) == 0:
            tell("refused")
    except BaseException:
        s.close()
        raise
    return s.close # once it is in the queue, it gets there

def modbus():
    def talk(c, ev, data):
        if ev == MG_EV_MODBUS_RESP:
            if data.error:
                tell("error")
            done.append(len(data.values))
            c.close()
        else:
            ended(c, ev, data)
    m.modbus_connect(at_modbus, talk).modbus_read(3, 0, 20)

def tls():
    def talk(c, ev, data):
        if ev == MG_EV_CONNECT:
            c.tls_init(client_opts)
        elif ev == MG_EV_TLS_HS:
            c.send(GET)
        elif ev == MG_EV_HTTP_MSG:
            done.append(len(data.body_bytes))
            c.close()
        else:
            ended(c, ev, data)
    m.connect(at_https, talk)

def look_up():
    m.connect("tcp://host.test:1", ended)

def manager():
    with Manager(server, dns=[peer("udp", 9)]) as other:
        other.listen(url("http"))
        other.timer_add(1, lambda: done.append(1))
        wait(lambda: done, other)

def helpers():
    json_get('{"a": [1, "b"]}', "$.a[1]")
    json_items("[1, 2, 3]")
    url_decode(url_encode(BIG))
    match("a/b/c", "a/*/#")
    base64_decode(base64_encode(b"hello"))
    hmac_sha256(b"key", b"text")
    http_parse_multipart(FORM_BODY, 0, "B")
    safe_filename("../a/b.txt")
    done.append(1)

def settings():
    TlsOpts(cert=PARAMS["cert"], key=PARAMS["key"])
    TlsOpts(ca=PARAMS["ca"], name="localhost", alpn=["h2", "http/1.1"])
    done.append(1)

def wait(condition, manager=None, ms=5000):
    start = ticks_ms()
    while not condition() and ticks_diff(ticks_ms(), start) < ms:
        (manager or m).poll(5)

app = App()

@app.post("/<word>/<int:n>")
def page(request, word, n):
    return {"word": word, "n": n, "a": request.form.get("a"), "q": request.args.getlist("q")}

GET = "GET / HTTP/1.1\r\nHost: x\r\nX-A: c\r\n\r\n"
CHUNKS = "POST /chunks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
UPLOAD = "PUT /up HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + "u" * 1000
ROUTE = (
    "POST /word/12?q=1&q=2 HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Content-Length: 3\r\n\r\na=b")
BIG = "x%" * 2000
FORM_BODY = '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n'
FORM = "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: %d\r\n\r\n" % (
    len(FORM_BODY)) + FORM_BODY

m = Manager(server, error_handler=lambda e: tell(e), dns=[peer("udp", 9)], connect_timeout=400, handshake_timeout=3000,
    head_timeout=700, body_timeout=700, drain_timeout=700, modbus_timeout=700)
at_http = url("http", port_of(m.listen(url("http"))))
at_ws = url("ws", port_of(m.connections[0]), "/ws")
at_mqtt = url("mqtt", port_of(m.mqtt_listen(url("mqtt"))))
router = m.listen(url("http"))
app.attach(m, router)
at_app = url("http", port_of(router))
at_modbus = url("modbus", port_of(m.modbus_listen(url("modbus"))))
if PARAMS["cert"]:
    secure = m.listen(url("https"))
    secure.tls_init(TlsOpts(cert=PARAMS["cert"], key=PARAMS["key"]))
    at_https = url("https", port_of(secure))
    client_opts = TlsOpts(ca=PARAMS["ca"], name="localhost")

def play(scene, arm, disarm):
    # What came of it: True, or what was told. Silence is an error, and so is what stays behind.
    del done[:], told[:]
    end = None
    try:
        try:
            arm()
            end = scene()
            wait(lambda: done or told, None, 300)
        finally:
            disarm()
    except (MemoryError, Error) as e:
        tell(e)
    except ValueError as e:
        # The firmware's copy of Mbed TLS forgets why it cannot read a key.
        if not MICROPYTHON or "key is no private key" not in str(e):
            raise
        tell(e)
    wait(lambda: done or told)
    if end:
        end()
    for c in m.connections:
        if c.is_client:
            c.close()
    good, why = len(done) > 0, list(told)
    if not good and not why:
        raise AssertionError("nothing came of it, and nothing was told")
    if scene is tls and not good:
        wait(lambda: False, None, PARAMS["look_away"])
    left, extra = settle(9000)
    if left or extra[0] or extra[1]:
        raise AssertionError("left: %r %r" % (left, extra))
    del done[:], told[:]
    request(GET, 200)
    wait(lambda: done or told)
    if done != [3000]:
        raise AssertionError("not served afterwards: %r, %r" % (done, told))
    settle(9000)
    return good or why

def count_down(name, onward, most):
    # Every N at first, then ever fewer.
    scene = globals()[name]
    scene_was = play(scene, lambda: None, lambda: None)
    if name != "look_up" and scene_was is not True:
        raise AssertionError("it fails though nothing does: %r" % (scene_was,))
    gc.collect()
    blocks = live()[3]
    n = runs = failed = 0
    while runs < most:
        n += 1 + n // 16
        before = failures()
        why = play(scene, lambda: fault(n, onward), lambda: fault())
        runs += 1
        if failures() == before:
            break
        failed += 1
    gc.collect()
    settle(9000)
    # What is kept for next time: a buffer, keys of tickets.
    if live()[3] > blocks + 3:
        raise AssertionError("blocks: %d, then %d" % (blocks, live()[3]))
    return failed
"""

HEAP = r"""
class Squeeze:
    # Takes all of the heap but a little, in pieces that nobody can grow into.
    def __init__(self, free):
        self.free = free
        self.hog = [None] * max(3000, gc.mem_free() // 64)
    def arm(self):
        gc.collect()
        self.slack = bytearray(self.free)
        at = 0
        for size in (1 << 20, 1 << 16, 4096, 512, 64, 16):
            try:
                while at < len(self.hog):
                    self.hog[at] = bytearray(size)
                    at += 1
            except MemoryError:
                pass
        self.slack = None
        gc.collect()
    def disarm(self):
        for at in range(len(self.hog)):
            self.hog[at] = None

def count_heap(name, sizes):
    scene = globals()[name]
    bad = 0
    for free in sizes:
        squeeze = Squeeze(free)
        bad += play(scene, squeeze.arm, squeeze.disarm) is not True
        squeeze = None
        gc.collect()
    return bad
"""

SCENES = (
    "get_ websocket mqtt routes chunks upload form session modbus tls look_up manager helpers settings"
).split()
#: What an emulated board has the time for.
EVERYWHERE = SCENES[:4]
#: Of which memory of malloc() is no part: all that they make is Python's.
PYTHON_ALONE = {("unix", "helpers")}
#: What takes so little of MicroPython's heap that a collection may make room for it.
NO_HEAP = {"settings"}


@pytest.fixture
def params(target, tmp_path):
    pair, ca = pki()["ec"], pki()["ca"]
    found = {"folder": target.folder(tmp_path), "now": int(NOW.timestamp()), "cert": None}
    # For 100 ms a listener without memory takes nobody. Where connections are few, the clients of TLS
    # that gave up meanwhile are too many at once: they have the next request's evicted.
    found["look_away"] = target.sockets(0, 150)
    if "memory" in target.capabilities:
        found |= {"cert": pair.cert, "key": pair.key, "ca": ca.cert}
    return found


@pytest.mark.needs("native-speed")
@pytest.mark.parametrize("scene", SCENES)
def test_memory_of_c(faulty, target, params, scene):  # noqa: F811
    device = faulty(SCRIPT + "serve(m)\n", **params)
    for onward in (False, True):
        failed = device.eval(f"count_down({scene!r}, {onward}, 60)", 60)
        assert failed > 0 or (target.name, scene) in PYTHON_ALONE


@pytest.mark.parametrize(
    "scene",
    [
        s if s in EVERYWHERE else pytest.param(s, marks=pytest.mark.needs("native-speed"))
        for s in SCENES
    ],
)
def test_memory_of_python(request, monkeypatch, target, params, scene):
    if not target.name.startswith("cpython"):
        if "process" in target.capabilities:  # a heap that is soon full
            monkeypatch.setattr(target, "options", ["-X", "heapsize=1m"])
        device = request.getfixturevalue("device")(SCRIPT + HEAP + "serve(m)\n", **params)
        sizes = [n * n * 16 for n in range(target.size(30, 6))]
        failed = device.eval(f"count_heap({scene!r}, {sizes})", 100)
        assert failed > 0 or scene in NO_HEAP
        return
    if sys.version_info >= (3, 12):  # a lambda that it cannot make is a crash of 3.13 alone
        pytest.skip("this computer has no Python that stands the end of its own memory: 3.11 does")
    if "native-speed" in target.capabilities:  # no other library owns the allocator
        target.env["PYTHONMALLOC"] = "malloc"
        try:
            device = request.getfixturevalue("faulty")(SCRIPT + "serve(m)\n", **params)
        finally:
            del target.env["PYTHONMALLOC"]
        assert device.eval(f"count_down({scene!r}, False, 80)", 100) > 0
