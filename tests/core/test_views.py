# SPDX-License-Identifier: GPL-2.0-only
"""Messages are views: valid in their handler and its nested events, expired after it.

Each function of the script that is called case_... is one test.
"""

import re

import pytest
from loop_script import LOOP

SCRIPT = (
    LOOP
    + r"""
HTTP_VIEW_USES = {
    "method": lambda v: v.method,
    "uri": lambda v: v.uri,
    "query": lambda v: v.query,
    "proto": lambda v: v.proto,
    "body_text": lambda v: v.body_text,
    "body_bytes": lambda v: v.body_bytes,
    "header": lambda v: v.header("X-Name"),
    "headers": lambda v: v.headers(),
    "query_var": lambda v: v.query_var("a"),
    "status": lambda v: v.status(),
    "header_var": lambda v: v.header_var("X-Name", "a"),
}
WS_VIEW_USES = {"data": lambda v: v.data, "text": lambda v: v.text, "flags": lambda v: v.flags}


def assert_expired(view, uses):
    eq(bool(view), False)
    for name, use in uses.items():
        e = raises(Error, use, view, text="handler")
        eq(e.errno, EBADF, name)


# ---- Views

def case_http_views_expire():
    kept = []
    def then(c, ev, data):
        if ev in (MG_EV_HTTP_HDRS, MG_EV_HTTP_MSG):
            kept.append(data)
            eq(bool(data), True)
            for use in HTTP_VIEW_USES.values():
                use(data)
            if ev == MG_EV_HTTP_MSG and not c.is_client:
                c.reply(200, "body")
    with Loop("http", then) as loop:
        c = loop.client()
        c.send(HTTP_GET)
        loop.until_seen("client", "HTTP_MSG")
        eq(len(kept), 4)
        for view in kept:
            assert_expired(view, HTTP_VIEW_USES)


def case_websocket_views_expire():
    kept = []
    def then(c, ev, data):
        if ev == MG_EV_HTTP_MSG:
            kept.append((data, HTTP_VIEW_USES))
            c.ws_upgrade(data)
        elif ev == MG_EV_WS_OPEN:
            kept.append((data, HTTP_VIEW_USES))
            if c.is_client:
                c.ws_send("hello")
                c.ws_send("ping", WEBSOCKET_OP_PING)
        elif ev in (MG_EV_WS_MSG, MG_EV_WS_CTL):
            kept.append((data, WS_VIEW_USES))
            if not c.is_client and ev == MG_EV_WS_MSG:
                c.ws_send(data.data)
    with Loop("http", then) as loop:
        loop.websocket()
        loop.until_seen("client", "WS_MSG")
        loop.until_seen("client", "WS_CTL")
        eq(len(kept), 7)
        for view, uses in kept:
            assert_expired(view, uses)


def case_view_expires_when_its_handler_raises():
    kept = []
    def then(c, ev, data):
        if ev == MG_EV_HTTP_MSG and not c.is_client:
            kept.append(data)
            raise ValueError("on purpose")
    with Loop("http", then) as loop:
        c = loop.client()
        c.send(HTTP_GET)
        loop.until_seen("client", "HTTP_MSG")
        assert_expired(kept[0], HTTP_VIEW_USES)


def case_outer_views_live_through_nested_events():
    seen = []
    def then(c, ev, data):
        if ev == MG_EV_HTTP_MSG and not c.is_client:
            before = (data.uri, data.query, data.headers(), data.header("X-Name"))
            loop.m.connect(url("tcp", loop.port)).error("nested")
            loop.m.listen(url("tcp")).close()
            c.error("own")
            gc.collect()
            eq((data.uri, data.query, data.headers(), data.header("X-Name")), before)
            seen.append("outer")
        elif ev == MG_EV_ERROR:
            seen.append(data)
    with Loop("http", then) as loop:
        c = loop.client()
        c.send(HTTP_GET)
        loop.until(lambda: "outer" in seen)
        eq(seen, ["nested", "own", "outer"])


def case_upgrade_nests_and_keeps_the_request():
    seen = []
    def then(c, ev, data):
        if ev == MG_EV_HTTP_MSG and not c.is_client:
            c.ws_upgrade(data)
            seen.append(("after", data.uri, data.header("Upgrade").lower()))
        elif ev == MG_EV_WS_OPEN and not c.is_client:
            seen.append(("open", data.uri))
    with Loop("http", then) as loop:
        loop.websocket("/ws")
        loop.until_seen("client", "WS_OPEN")
        eq(seen, [("open", "/ws"), ("after", "/ws", "websocket")])


def case_view_of_another_connection_is_refused():
    kept = {}
    errors = []
    def then(c, ev, data):
        if ev == MG_EV_HTTP_MSG and not c.is_client:
            if data.uri == "/first":
                kept["c"] = c
                loop.client("/").send(get("/second"))
            else:
                errors.append(raises((ValueError, TypeError, Error), kept["c"].ws_upgrade, data))
                errors.append(raises((ValueError, TypeError, Error), kept["c"].serve_dir, data, "."))
                c.reply(200, "ok")
    with Loop("http", then) as loop:
        loop.client("/").send(get("/first"))
        loop.until_seen("client", "HTTP_MSG")
        eq(len(errors), 2)


def case_expired_view_as_argument():
    kept = []
    def then(c, ev, data):
        if ev == MG_EV_HTTP_HDRS and not c.is_client:
            kept.append(data)
        elif ev == MG_EV_HTTP_MSG and not c.is_client:
            raises((Error, ValueError), c.ws_upgrade, kept[0])
            raises((Error, ValueError), c.serve_dir, kept[0], ".")
            raises((Error, ValueError), c.serve_file, kept[0], "x")
            c.reply(200, "ok")
    with Loop("http", then) as loop:
        loop.client().send(HTTP_GET)
        loop.until_seen("client", "HTTP_MSG")


serve()
"""
)

CASES = re.findall(r"^def (case_\w+)", SCRIPT, re.MULTILINE)


@pytest.mark.needs("loopback")
@pytest.mark.parametrize("case", CASES)
def test_view(shared, case):
    shared(SCRIPT).case(case)
