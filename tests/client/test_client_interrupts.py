# SPDX-License-Identifier: GPL-2.0-only
"""Ctrl-C at every point of client: it is what the caller gets, it leaves nothing open, and a session
has all its connections for the next request.

CPython is interrupted at every line. It closes what was lost when it collects. MicroPython looks for
Ctrl-C where it jumps, and keeps a Manager that nobody has closed: it is interrupted before and behind
each step that hands something on, and nothing may be lost.
"""

import pytest
from client_script import SCRIPT

EVERYWHERE = """
import os
import pymongoose.fetch as fetches
import pymongoose.pool as pools
import pymongoose.saving as savings

# Steps that are the outermost, behind which the response is the program's.
OUTSIDE = ("__init__", "request", "_holder", "_sort_out", "sort_out", "_next")
OF_SESSION = ("_open", "_wait", "_more", "_settle", "_close")
got = None
state = [0, None]  # how many points are to come before the one, and where that was

def hit(where):
    state[0] -= 1
    if state[0] == 0:
        state[1] = where
        raise KeyboardInterrupt

def around(name, fn):
    def step(*args, **kwargs):
        hit(name)
        result = fn(*args, **kwargs)
        hit("behind " + name)
        return result
    return step

def traced(frame, event, arg):
    code = frame.f_code
    if not code.co_filename.startswith(FOLDER):
        return traced if code.co_name in CALLS else None
    if event == "line":
        hit("%s, line %d" % (code.co_name, frame.f_lineno))
    return traced

def wrap(holder, chosen=None):
    for name, fn in list(holder.__dict__.items()):
        if name not in OUTSIDE and type(fn) is type(wrap) and (chosen is None or name in chosen):
            setattr(holder, name, around(name, fn))

if MICROPYTHON:
    wrap(fetches.Fetch)
    wrap(pools.Link)
    wrap(pools.Pool)
    wrap(savings.Saving)
    wrap(client.Session, OF_SESSION)
    wrap(client.Response, ("_close",))
    for ev, fn in list(fetches.STEPS.items()):
        fetches.STEPS[ev] = around(event_name(ev), fn)
else:
    FOLDER = pymongoose.__path__[0]
    gc.freeze()

def alone():
    client.get(base + "/size/9")

def content():
    client.get(base + "/chunks/3", stream=True).content

def save():
    client.get(base + "/chunks/3", stream=True).save(folder + "/x")

def kept():
    session.get(base + "/size/9")

def new():
    session.get(base + "/close")

def stream():
    # What a program has of a session is its own to close.
    global got
    got = None
    got = session.get(base + "/chunks/3", stream=True)
    got.content

CALLS = ("alone", "content", "save", "kept", "new", "stream")

def once(fn, n):
    state[:] = n, None
    if not MICROPYTHON:
        sys.settrace(traced)
    try:
        fn()
        came = False
    except KeyboardInterrupt:
        came = True
    finally:
        if not MICROPYTHON:
            sys.settrace(None)
    state[0] = 0
    return came

def left_alone():
    if not MICROPYTHON:
        gc.collect()
    part = [name for name in os.listdir(folder) if name != "x"] if folder else []
    return live(), part

def left_of_session():
    # Connections and how many the session counts, beyond those that wait for a request.
    if got:
        got.close()
    session.manager.poll(0)
    session.manager.poll(0)
    return len(session.manager.connections) - len(session.idle), session.count - len(session.idle)

def everywhere(name):
    global session
    fn = globals()[name]
    left, wanted = left_alone, ((0, 0, 0, 0), [])
    if name in ("kept", "new", "stream"):
        session = client.Session(pool_size=2)
        left, wanted = left_of_session, (0, 0)
    wrong, n = [], 0
    fn()
    while True:
        n += 1
        came = once(fn, n)
        where = state[1]
        if where is None:
            break
        found = left()
        if not came or found != wanted:
            wrong.append((n, where, came, found))
            if len(wrong) > 9:
                break
    if left is left_of_session:
        session.close()
        session = None
    return n, wrong
"""


@pytest.mark.needs("memory")  # each step has one more frame, and a board's stack is small
@pytest.mark.parametrize("call", ["alone", "content", "save", "kept", "new", "stream"])
def test_ctrl_c_anywhere(folder, shared, site, call):
    device = shared(SCRIPT.replace("set_clock", EVERYWHERE + "set_clock"), now=0)
    device.exec(f"base = 'http://{device.peer}:{site.port}'; folder = {folder!r}")
    count, wrong = device.eval(f"everywhere({call!r})", 60)
    assert wrong == [] and count > 30
