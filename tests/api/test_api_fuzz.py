# SPDX-License-Identifier: GPL-2.0-only
"""Random calls with random objects, in and out of handlers, beside live traffic: nothing crashes, nothing
is left. The sanitizers' builds run it, too; PMG_API_FUZZ=N plays N rounds with seeds of their own.
"""

import os
import random

import pytest

SCRIPT = r"""
import gc, time

seed = PARAMS["seed"]
def rnd(n):
    global seed
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 8) % n

def pick(items):
    return items[rnd(len(items))]

class Bad:
    def __str__(self):
        raise ValueError("str")
    __repr__ = __str__
    def __len__(self):
        return pick([0, 3, 1000])
    def __iter__(self):
        c = conns.pick()
        if c is not None and rnd(2):
            c.close()
        raise ValueError("iter")
    def __bool__(self):
        raise ValueError("bool")
    def __getitem__(self, i):
        raise IndexError("item")
    def __call__(self, *args):
        raise ValueError("call")
    def write(self, data):
        raise ValueError("write")

class Text(str):
    pass

class Pairs(list):
    def __iter__(self):
        for i in range(3):
            gc.collect()
            if rnd(3) == 0:
                calls(1)
            yield ("X-%d" % i, "v" * rnd(50))

def numbers():
    yield 1
    if rnd(2):
        raise ValueError("generator")
    yield "two"

# What threads share is changed by one at a time: MicroPython's lists have no lock of their own.
try:
    import _thread
    lock, me = _thread.allocate_lock(), _thread.get_ident
except ImportError:
    lock, me = None, int

class Shared:
    def __init__(self):
        self.items = []

    def _locked(self, f):
        if lock:
            lock.acquire()
        try:
            return f(self.items)
        finally:
            if lock:
                lock.release()

    def add(self, item):
        def add(items):
            if not any([item is each for each in items]):
                items.append(item)
            return items.pop(0) if len(items) > 20 else None
        return self._locked(add)

    def pick(self):
        return self._locked(lambda items: pick(items) if items else None)

    def take(self):
        def take(items):
            taken = list(items)
            items.clear()
            return taken
        return self._locked(take)

def shrinking():
    b = bytearray(b"x" * (1 + rnd(2000)))
    kept.add(b)
    return b

def shrink():
    for b in kept.take():
        try:
            del b[:]
        except Exception:
            pass

kept, conns, timers = Shared(), Shared(), Shared()
depths = {}

def thing():
    return pick(MAKERS)()

MAKERS = [
    lambda: None, lambda: True, lambda: 0, lambda: -1, lambda: rnd(100000), lambda: 1 << 70, lambda: 1.5,
    lambda: "", lambda: "text", lambda: "\u20ac\0\r\n", lambda: "GET", lambda: "x" * rnd(5000), lambda: b"",
    lambda: b"bytes\xff\0", shrinking, lambda: memoryview(b"view"), lambda: Text("sub"), Bad, lambda: Pairs(),
    lambda: [("A", "b")], lambda: {"Content-Type": "text/plain"}, lambda: {"a": Bad()}, lambda: (1, "b"), numbers,
    lambda: [], lambda: {}, lambda: print, lambda: handler, conns.pick,
    lambda: url("tcp"), lambda: listener_url, lambda: "$.a[0]", lambda: '{"a": [1]}', lambda: ["x"] * 300,
    lambda: object(), lambda: Text, lambda: 200, lambda: 1000, lambda: "application/json",
]
# Of these the network or the disk of others would hear, or nothing would go on.
LEFT_OUT = ("mdns", "Manager", "http_stream_body", "save", "log", "fork", "broadcast", "run", "poll", "free")

def names_of(o):
    return [n for n in dir(o) if n[0] != "_" and not any(x in n for x in LEFT_OUT)]

FUNCTIONS = [n for n in names_of(pymongoose) if n[0] in "abcdefghijklmnopqrstuvwxyz" and n not in ("asyncio", "sys")]

# MicroPython's own types are no part of this: "x".center(-1) ends it, and a method of str that is found
# through a subclass takes any object for a str. (EventData is object there.)
OURS = tuple([t for t in [getattr(pymongoose, n) for n in dir(pymongoose)]
    if isinstance(t, type) and not any([isinstance(o, t) for o in ("", b"", [], 1, None, print)])])

def call(o, name=None):
    if not (o is pymongoose or isinstance(o, OURS)):
        return
    f = getattr(o, name or pick(names_of(o)))
    if not callable(f):
        return
    args = [thing() for _ in range(rnd(5))]
    kwargs = {}
    if rnd(4) == 0:
        kwargs[pick(["headers", "body", "handler", "fn", "qos", "code", "data", "status"])] = thing()
    r = f(*args, **kwargs)
    if hasattr(r, "__next__"):
        for _ in range(3):
            next(r)
    elif isinstance(r, Connection):
        conns.add(r)
    elif isinstance(r, Timer):
        keep(r)

def keep(timer):
    old = timers.add(timer)
    if old:
        old.cancel()

def one(message=None):
    depth = depths[me()]
    if depth[0] > 3:
        return
    depth[0] += 1
    try:
        n = rnd(12)
        if n < 5:
            call(conns.pick())
        elif n < 7:
            call(m, pick(["connect", "listen", "timer_add", "wakeup", "ws_connect", "mqtt_connect", "sntp_connect"]))
        elif n < 8:
            call(timers.pick())
        elif n < 9 and message is not None:
            call(message)
        elif n < 11:
            call(pymongoose, pick(FUNCTIONS))
        else:
            gc.collect()
            shrink()
    except (Exception, StopIteration):
        pass
    finally:
        depth[0] -= 1

def calls(n, message=None):
    for _ in range(n):
        one(message)

def handler(c, ev, data):
    if isinstance(c, Connection):
        conns.add(c)
    calls(1 + rnd(2), data)
    if ev == MG_EV_HTTP_MSG and rnd(2):
        c.reply(200, "ok")
    elif ev == MG_EV_WS_MSG:
        c.ws_send(data.data)
    if rnd(6) == 0:
        raise ValueError("handler")

m = Manager(handler, error_handler=lambda e: None, max_conns=30, max_memory=2000000, dns="udp://127.0.0.1:9",
    idle_timeout=200, connect_timeout=300, drain_timeout=200, head_timeout=200, body_timeout=200)
web = m.listen(url("http"))
listener_url = "http://127.0.0.1:%d/" % web.local_addr[1]
ws_url = "ws" + listener_url[4:]

def talk(c, ev, data):
    if ev == MG_EV_CONNECT:
        c.send("POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" % rnd(9))
    elif ev == MG_EV_WS_OPEN:
        c.ws_send("hello")
    handler(c, ev, data)

# Other threads do the same with the same objects.
running = PARAMS["threads"]
going = True

def beside():
    global running
    depths[me()] = [0]
    begun.release()
    while len(depths) <= PARAMS["threads"]:
        time.sleep(0.001)
    try:
        while going:
            calls(1)
            time.sleep(0.001)
    finally:
        lock.acquire()
        running -= 1
        lock.release()

depths[me()] = [0]
if running:
    begun = _thread.allocate_lock()
    begun.acquire()
for i in range(running):
    _thread.start_new_thread(beside, ())
    begun.acquire()

for i in range(PARAMS["rounds"]):
    try:
        m.connect(listener_url, talk) if i % 3 else m.ws_connect(ws_url, talk)
    except (Error, MemoryError):
        pass
    calls(3)
    if i % 10 == 0:
        gc.collect()
    m.poll(2)
going = False
while running:
    m.poll(2)
for each in conns, timers, kept:
    each.take()
m.close()
announce("END", web)
"""


@pytest.mark.needs("loopback", "process")
@pytest.mark.parametrize(
    "seed, threads",
    [(0, 0), (1, 0), (2, 0), pytest.param(3, 3, marks=pytest.mark.needs("threads"))],
)
def test_random_calls(device, target, seed, threads):
    rounds = 150
    if "PMG_API_FUZZ" in os.environ:
        rounds, seed = int(os.environ["PMG_API_FUZZ"]), random.randrange(1 << 30)
    print(f"seed {seed}")
    running = device(SCRIPT, seed=seed + 1, rounds=rounds, threads=threads)
    running.expect("END", 60)
