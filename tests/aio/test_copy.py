# SPDX-License-Identifier: GPL-2.0-only
"""HttpMessage.copy(), WsMessage.copy(), MqttMessage.copy(): messages that are kept."""

import pytest

SCRIPT = r"""
kept, views = [], []


def http(m):
    port = port_of(m.listen(url("http")))
    c = m.connect(url("http", port))
    c.http_request("POST", "/path?a=1&b=%20x", "the body \u20ac", {"X-One": "1", "Cookie": "k=v", "Content-Type": "text/x; charset=y"})


def case_http():
    with Manager(lambda c, ev, data: got(c, ev, data)) as m:
        del kept[:]
        def got(c, ev, data):
            if ev in (MG_EV_HTTP_HDRS, MG_EV_HTTP_MSG):
                views.append(data)
                kept.append((c.is_client, ev, data.copy()))
            if ev == MG_EV_HTTP_MSG and not c.is_client:
                c.reply(200, "answer", {"X-Mark": "m"})
        http(m)
        poll_until(m, lambda: len(kept) == 4)
        check = [data for client, ev, data in kept if not client and ev == MG_EV_HTTP_MSG][0]
        answer = [data for client, ev, data in kept if client and ev == MG_EV_HTTP_MSG][0]
        for _ in range(2):
            eq(type(check), HttpMessage)
            eq(bool(check), True)
            eq((check.method, check.uri, check.query, check.proto), ("POST", "/path", "a=1&b=%20x", "HTTP/1.1"))
            eq((check.body_text, check.body_bytes), ("the body \u20ac", "the body \u20ac".encode()))
            eq((check.header("x-one"), check.cookie("k"), check.query_var("b")), ("1", "v", " x"))
            eq(check.header_var("Content-Type", "charset"), "y")
            eq(check.status(), None)
            assert ("X-One", "1") in check.headers()
            eq((answer.status(), answer.body_text, answer.header("X-Mark")), (200, "answer", "m"))
            check, first = check.copy(), check
        for view in views:
            eq(bool(view), False)
            raises(Error, lambda: view.copy(), text="after its handler")
    # The Manager has ended, the copies have not.
    eq(check.uri, "/path")
    eq(check.copy().body_text, "the body \u20ac")
    del kept[:], views[:]


def case_ws():
    got = []
    def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG and not c.is_client:
            c.ws_upgrade(data)
        elif ev == MG_EV_WS_OPEN:
            got.append(data.copy())
            if c.is_client:
                c.ws_send("text \u20ac")
                c.ws_send(b"\x00\x01", WEBSOCKET_OP_BINARY)
                c.ws_send("", WEBSOCKET_OP_TEXT)
        elif ev == MG_EV_WS_MSG:
            got.append(data.copy())
    with Manager(handler) as m:
        m.ws_connect(url("ws", port_of(m.listen(url("http")))))
        poll_until(m, lambda: len(got) == 5)
        text, binary, empty = got[2:]
        eq([type(each) for each in (text, binary, empty)], [WsMessage] * 3)
        eq((text.text, text.data, text.flags), ("text \u20ac", "text \u20ac".encode(), WEBSOCKET_OP_TEXT))
        eq((binary.data, binary.flags), (b"\x00\x01", WEBSOCKET_OP_BINARY))
        eq((empty.text, empty.data), ("", b""))


def case_mqtt():
    got, server = [], []
    def handler(c, ev, data):
        if ev == MG_EV_MQTT_OPEN:
            c.mqtt_sub("a/#", 1)
        elif ev == MG_EV_MQTT_CMD:
            got.append(data.copy())
            if data.cmd == MQTT_CMD_CONNECT:
                server.append(c)
        elif ev == MG_EV_MQTT_MSG:
            got.append(data.copy())
    with Manager(handler) as m:
        c = m.mqtt_connect(url("mqtt", port_of(m.mqtt_listen(url("mqtt")))), client_id="me", version=5, username="u", password="p")
        poll_until(m, lambda: any(each.cmd == MQTT_CMD_SUBACK for each in got))
        c.mqtt_pub("a/b", "news", 1, properties={38: ("k", "v")})
        poll_until(m, lambda: any(each.topic == "a/b" for each in got))
        hello = [each for each in got if each.cmd == MQTT_CMD_CONNECT][0]
        eq((hello.client_id, hello.username, hello.password, hello.version), ("me", "u", b"p", 5))
        eq([each.topics() for each in got if each.cmd == MQTT_CMD_SUBSCRIBE], [[("a/#", 1)]])
        news = [each for each in got if each.topic == "a/b"][0]
        eq((type(news), news.text, news.data, news.qos), (MqttMessage, "news", b"news", 1))
        eq([(p["key"], p["val"]) for p in news.properties()], [("k", "v")])
        raises(Error, server[0].mqtt_ack, hello, text="takes no copy")


def case_it_counts_in_max_memory():
    got, failures = [], []
    size = PARAMS["size"]
    def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG and not c.is_client:
            try:
                while len(got) < 1000:
                    got.append(data.copy())
            except MemoryError as e:
                failures.append(str(e))
            c.reply(200)
    with Manager(handler, max_memory=8 * size) as m:
        m.connect(url("http", port_of(m.listen(url("http"))))).http_request("POST", "/", "x" * size)
        poll_until(m, lambda: failures or len(got) == 1000)
        assert 2 <= len(got) <= 8, len(got)
        assert "max_memory" in failures[0], failures
        eq(got[-1].body_bytes, b"x" * size)
        del got[:]
        gc.collect()  # room again
        m.connect(url("http", port_of(m.connections[0]))).http_request("POST", "/", "y" * size)
        poll_until(m, lambda: len(failures) == 2)
        assert len(got) >= 2, len(got)
    del got[:]


def case_what_came_late_is_answered():
    waiting, answers = [], []
    def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG and c.is_client:
            answers.append(data.status())
        elif ev == MG_EV_HTTP_MSG:
            waiting.append((c, data.copy()))
        elif ev == MG_EV_WS_OPEN and c.is_client:
            answers.append("open")
    with Manager(handler) as m:
        port = port_of(m.listen(url("http")))
        clients = [m.connect(url("http", port)) for _ in range(2)]
        clients[0].http_request("GET", "/late")
        clients[1].http_request("GET", "/file")
        ws = m.ws_connect(url("ws", port, "/ws"))
        poll_until(m, lambda: len(waiting) == 3)
        for c, request in waiting:
            other = [each for each, _ in waiting if each is not c][0]
            raises(TypeError, other.ws_upgrade, request, text="of this event")
            if request.uri == "/late":
                c.reply(200, "later")
            elif request.uri == "/file":
                c.serve_file(request, "no such file")
            else:
                c.ws_upgrade(request)
        poll_until(m, lambda: len(answers) == 3)
        eq(sorted(answers, key=str), [200, 404, "open"])
        raises(Error, waiting[0][0].reply, 200)
    for c, request in waiting:
        raises(Error, c.serve_file, request, "x", text="closed")


serve()
"""

CASES = [line[4:].split("(")[0] for line in SCRIPT.splitlines() if line.startswith("def case_")]


@pytest.mark.parametrize("case", CASES)
def test_copy(shared, target, case):
    shared(SCRIPT, size=target.size(20000, 1500)).eval(f"{case}()")
