# SPDX-License-Identifier: GPL-2.0-only
"""AsyncManager, and handlers that are `async def`."""

import pytest
from async_script import BEGIN

SCRIPT = (
    BEGIN
    + r"""
class Client:
    # Requests over one connection; `answers` are (status, text).
    def __init__(self, am, port):
        self.answers, self.errors, self.closed = [], [], False
        self.c = am.connect(url("http", port), self.event)

    def event(self, c, ev, data):
        if ev == MG_EV_HTTP_MSG:
            self.answers.append((data.status(), data.body_text))
        elif ev == MG_EV_ERROR:
            self.errors.append(data)
        elif ev == MG_EV_CLOSE:
            self.closed = True


async def ask(am, port, *paths):
    client = Client(am, port)
    for n, path in enumerate(paths):
        client.c.http_request("GET", path)
        await until(lambda: len(client.answers) > n or client.closed)
    client.c.close()
    await until(lambda: client.closed)
    return client.answers


def case_an_answer_at_once_and_later():
    async def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG:
            if data.uri == "/late":
                await asyncio.sleep(0.02)
            c.reply(200, data.uri + data.header("Host")[:3])
    async def main():
        async with aio.AsyncManager(handler) as am:
            eq((am.running, type(am.manager)), (True, Manager))
            port = port_of(am.listen(url("http")))
            host = HOST[:3]
            eq(await ask(am, port, "/now", "/late", "/now"), [(200, "/now" + host), (200, "/late" + host), (200, "/now" + host)])
        eq(am.running, False)
    run(main())


def case_a_handler_that_is_canceled_at_once():
    # By what it awaits: its client hears of it, the others are served.
    async def main():
        async def sleeper():
            await asyncio.sleep(60)
        job = asyncio.create_task(sleeper())
        await asyncio.sleep(0)
        job.cancel()
        await asyncio.sleep(0)
        async def handler(c, ev, data):
            if ev == MG_EV_HTTP_MSG:
                if data.uri == "/job":
                    await job
                if data.uri == "/raise":
                    raise asyncio.CancelledError()
                c.reply(200, data.uri)
        async with aio.AsyncManager(handler) as am:
            port = port_of(am.listen(url("http"), events=(MG_EV_HTTP_MSG,)))
            for path in ("/job", "/raise"):
                eq([status for status, _ in await ask(am, port, path)], [500])
                eq(await ask(am, port, "/ok"), [(200, "/ok")])
            ran = []
            async def canceled():
                ran.append(1)
                raise asyncio.CancelledError()
            am.schedule(canceled())
            await until(lambda: ran)
            eq(await ask(am, port, "/ok"), [(200, "/ok")])
    run(main())


def case_it_starts_at_once():
    order = []
    async def handler(c, ev, data):
        if ev == MG_EV_WAKEUP:
            order.append("handler")
            await asyncio.sleep(0)
            order.append("after")
    async def main():
        async with aio.AsyncManager(handler, poll_events=True) as am:
            listener = am.listen(url("tcp"))
            am.wakeup(listener.id)
            am.timer_add(0, lambda: order.append("timer"))  # behind the wake-up, in the same poll
            await until(lambda: len(order) == 3)
    run(main())
    if EAGER:
        eq(order, ["handler", "timer", "after"])
    eq(sorted(order), ["after", "handler", "timer"])


def case_each_has_a_task():
    tasks, slept = [], []
    async def nap():
        await asyncio.sleep(10)
    async def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG:
            tasks.append(asyncio.current_task())
            await asyncio.sleep(0)
            slept.append(asyncio.current_task())
            try:
                await asyncio.wait_for(nap(), 0.01)
            except asyncio.TimeoutError:
                c.reply(200, "timeout")
    async def main():
        async with aio.AsyncManager(handler) as am:
            port = port_of(am.listen(url("http")))
            eq(await ask(am, port, "/", "/"), [(200, "timeout")] * 2)
            eq(tasks, slept)
            assert tasks[0] is not tasks[1] and None not in tasks
            assert asyncio.current_task() not in tasks
    run(main())


def case_one_after_the_other_per_connection():
    log = []
    async def handler(c, ev, data):
        if ev == MG_EV_WS_MSG:
            log.append("begin " + data.text)
            await asyncio.sleep(0.03 if data.text == "1" else 0)
            log.append("end " + data.text)
        elif ev == MG_EV_HTTP_MSG:
            c.ws_upgrade(data)
        elif ev == MG_EV_CLOSE and c.is_websocket:
            log.append("close")
    def client(c, ev, data):
        if ev == MG_EV_WS_OPEN:
            for word in "123":
                c.ws_send(word)
    async def main():
        async with aio.AsyncManager(handler) as am:
            port = port_of(am.listen(url("http")))
            first = am.ws_connect(url("ws", port), client)
            await until(lambda: "begin 1" in log)
            eq(await ask_other(am), [(200, "other")])  # meanwhile others go on
            await until(lambda: len(log) == 6)
            eq(log[:6], ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"])
    async def ask_other(am):
        async def other(c, ev, data):
            if ev == MG_EV_HTTP_MSG:
                c.reply(200, "other")
        return await ask(am, port_of(am.listen(url("http"), other)), "/")
    run(main())


def case_upgrade_and_files_after_an_await():
    got = []
    async def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG:
            await asyncio.sleep(0.01)
            if data.uri == "/file":
                c.serve_file(data, "no such file")
            elif data.uri == "/dir":
                c.serve_dir(data, "/no such folder")
            else:
                c.ws_upgrade(data)
        elif ev == MG_EV_WS_MSG:
            await asyncio.sleep(0.01)
            c.ws_send(data.data + b"!", WEBSOCKET_OP_BINARY)
    def client(c, ev, data):
        if ev == MG_EV_WS_OPEN:
            c.ws_send("hello")
        elif ev == MG_EV_WS_MSG:
            got.append(data.data)
    async def main():
        async with aio.AsyncManager(handler) as am:
            port = port_of(am.listen(url("http")))
            am.ws_connect(url("ws", port), client)
            await until(lambda: got)
            eq(got, [b"hello!"])
            eq([status for status, _ in await ask(am, port, "/file", "/dir")], [404, 404])
    run(main())


def case_exceptions():
    reported = []
    async def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG:
            if data.uri[1] == "l":
                await asyncio.sleep(0.01)
            if data.uri.endswith("half"):
                c.reply(200, "begun", {"Transfer-Encoding": "chunked"})
            if data.uri.endswith("fault"):
                raise DecodeError("client's")
            raise ValueError(data.uri)
    async def main():
        async with aio.AsyncManager(handler, error_handler=lambda e: reported.append(str(e))) as am:
            port = port_of(am.listen(url("http")))
            for path in ("/now", "/later"):
                eq((await ask(am, port, path))[0][0], 500, path)
                eq(reported.pop(), path)
            for path in ("/fault", "/later-fault"):
                eq((await ask(am, port, path))[0][0], 400, path)
                eq(reported, [], path)
            for path in ("/half", "/later-half"):
                eq(await ask(am, port, path), [], path)
                eq(reported.pop(), path)
            # It goes on.
            eq((await ask(am, port, "/now"))[0][0], 500)
    run(main())


def case_a_failure_does_not_answer_the_next_request():
    reported, seen = [], []
    async def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG:
            seen.append(data.uri)
            c.reply(200, data.uri)
            if data.uri == "/1":
                await until(lambda: go)
                raise ValueError("after the reply")
    go = []
    async def main():
        async with aio.AsyncManager(handler, error_handler=lambda e: reported.append(str(e))) as am:
            client = Client(am, port_of(am.listen(url("http"))))
            client.c.http_request("GET", "/1")
            await until(lambda: client.answers)
            client.c.http_request("GET", "/2")
            await asyncio.sleep(0.05)
            eq(seen, ["/1"])
            go.append(1)
            await until(lambda: len(client.answers) == 2)
            eq(client.answers, [(200, "/1"), (200, "/2")])
            eq(reported, ["after the reply"])
    run(main())


def case_an_event_within_the_first_step():
    # It has its turn after the handler, which has ended or raised meanwhile.
    log, reported = [], []
    async def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG:
            log.append(data.uri)
            c.error("made " + data.uri)  # an MG_EV_ERROR, here and now
            log.append("end " + data.uri)
            if data.uri == "/raises":
                raise ValueError(data.uri)
        elif ev == MG_EV_ERROR:
            log.append(data)
    async def main():
        async with aio.AsyncManager(handler, error_handler=lambda e: reported.append(str(e))) as am:
            port = port_of(am.listen(url("http")))
            for path in ("/ends", "/raises"):
                del log[:]
                eq(await ask(am, port, path), [])
                await until(lambda: len(log) == 3)
                eq(log, [path, "end " + path, "made " + path])
            eq(reported, ["/raises"])
            eq((am._tasks, am._waiting), ({}, {}))
    run(main())


def case_events_that_wait_are_few():
    calls, release = [], []
    async def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG:
            c.reply(200, "", {"Content-Type": "text/event-stream"})
            for n in range(60):
                c.http_sse("m", "x")
                await asyncio.sleep(0.001)
            release.append(1)
        elif ev == MG_EV_WRITE:
            calls.append(data)
    async def main():
        async with aio.AsyncManager(handler) as am:
            client = Client(am, port_of(am.listen(url("http"))))
            client.c.http_request("GET", "/")
            await until(lambda: release and len(calls) > 0)
            assert len(calls) < 5, calls
    run(main())


def case_client_is_refused_after_an_await_and_in_schedule():
    from pymongoose import client
    told = []
    def ask():
        try:
            client.get(url("http", 1))
        except Error as e:
            told.append("pymongoose.aio" in str(e) or str(e))
    async def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG:
            await asyncio.sleep(0)
            ask()
            c.reply(200, "")
    async def later():
        await asyncio.sleep(0)
        ask()
    async def main():
        async with aio.AsyncManager(handler) as am:
            await ask_one(am)
            am.schedule(ask)
            am.schedule(later())
            am.timer_add(1, later)
            await until(lambda: len(told) == 4)
            eq(told, [True] * 4)
            ask()  # a task of the program's own may wait
            assert told[4] is not True, told
    async def ask_one(am):
        eq(await globals()["ask"](am, port_of(am.listen(url("http"))), "/"), [(200, "")])
    run(main())


def case_timers_and_schedule():
    log = []
    async def tick():
        await asyncio.sleep(0.001)
        log.append("timer")
    async def main():
        errors = []
        async with aio.AsyncManager(error_handler=lambda e: errors.append(str(e))) as am:
            timer = am.timer_add(5, tick, repeat=True)
            await until(lambda: log.count("timer") >= 3)
            timer.cancel()
            am.schedule(tick())
            am.schedule(lambda: log.append("function"))
            am.schedule(tick)
            async def fails():
                raise ValueError("scheduled")
            am.schedule(fails())
            await until(lambda: "function" in log and errors)
            eq(errors, ["scheduled"])
    run(main())


def case_the_end_cancels_handlers():
    log = []
    async def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG:
            try:
                log.append("begin")
                await asyncio.sleep(1000)
            finally:
                log.append("end")
        elif ev == MG_EV_CLOSE and not c.is_client:
            log.append("close")
    async def main():
        reported = []
        async with aio.AsyncManager(handler, error_handler=lambda e: reported.append(str(e))) as am:
            client = Client(am, port_of(am.listen(url("http"))))
            client.c.http_request("GET", "/")
            await until(lambda: log)
        eq(log[:2], ["begin", "end"])
        eq(reported, [])
    run(main())
    gc.collect()
    eq(live()[:3], (0, 0, 0))


def case_again_and_again():
    async def main():
        am = aio.AsyncManager()
        for _ in range(3):
            async with am:
                eq(am.running, True)
                am.listen(url("tcp"))
            eq(am.running, False)
    run(main())
    run(main())


def case_bad_use():
    am = aio.AsyncManager()
    for call in (
        lambda: am.listen(url("http")), lambda: am.connect(url("http", 1)), lambda: am.manager, lambda: am.wakeup(1),
        lambda: am.timer_add(1, lambda: None), lambda: am.schedule(lambda: None), lambda: am.broadcast("x"),
        lambda: am.mqtt_listen(url("mqtt")), lambda: am.mqtt_connect(url("mqtt", 1)), lambda: am.sntp_connect(url("udp", 1)),
    ):
        raises(RuntimeError, call, text="not started")
    eq(am.running, False)
    raises(AttributeError, lambda: am.poll)
    async def main():
        async with am:
            try:
                await am.__aenter__()
                raise AssertionError("entered twice")
            except Error as e:
                assert "started already" in str(e), e
            try:
                aio.AsyncManager(nonsense=1)._start()
                raise AssertionError("a limit that there is not")
            except TypeError as e:
                assert "nonsense" in str(e), e
    run(main())
    async def leave():
        async with am:
            if MICROPYTHON:
                asyncio.new_event_loop()
                from asyncio import core
                raises(Error, am._check_loop, text="another event loop")
                core._task_queue, core._io_queue = am._pump.loop, io
                return
            async def other():
                await am.__aexit__()
            import threading
            failed = []
            def body():
                try:
                    asyncio.run(other())
                except Error as e:
                    failed.append(str(e))
            t = threading.Thread(target=body)
            t.start()
            t.join()
            assert "another event loop" in failed[0], failed
            eq(am.running, True)
    if MICROPYTHON:
        from asyncio import core
        io = core._io_queue
    run(leave())


def case_a_plain_manager_says_who_runs_them():
    reported = []
    async def handler(c, ev, data):
        pass
    with Manager(handler, error_handler=lambda e: reported.append(str(e))) as m:
        m.connect(url("tcp", port_of(m.listen(url("tcp")))))
        poll_until(m, lambda: reported)
        assert "AsyncManager" in reported[0], reported
        m.timer_add(0, lambda: handler(1, 2, 3))
        del reported[:]
        poll_until(m, lambda: reported)


serve()
"""
)

CASES = [line[4:].split("(")[0] for line in SCRIPT.splitlines() if line.startswith("def case_")]


@pytest.mark.parametrize("case", CASES)
def test_async_handlers(shared, case):
    shared(SCRIPT).eval(f"{case}()", timeout=40)
