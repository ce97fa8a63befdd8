# SPDX-License-Identifier: GPL-2.0-only
"""An MQTT session that lives through very many restarts of its server, on a link that loses packets.

    soak_mqtt.py [--target NAME] ... [--restarts N] [--messages N] [--loss PERCENT] [--seed N]

Half of the messages go out, half come in, with QoS 1 and 2 in turn. A mosquitto that keeps its
sessions is restarted while they are on their way, and a subscriber of its own judges: nothing is lost,
nothing with QoS 2 comes twice. Only an emulated board's link loses packets. `make soak` runs it.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.append(str(Path(__file__).resolve().parents[1] / "cpython" / "testing"))
from peers import clients  # noqa: E402
from peers.mqtt_peers import Broker, Client  # noqa: E402
from targets import all_targets, find_target  # noqa: E402

SCRIPT = """
from pymongoose.mqtt import MqttSession

COUNT = PARAMS["count"]  # messages of each direction and QoS
# A bit for each message: seen, and seen again.
seen = {q: bytearray((COUNT + 7) // 8) for q in (1, 2)}
again = {q: bytearray((COUNT + 7) // 8) for q in (1, 2)}
told = {}
quota = [0, 0]  # what has been published of each QoS, and what may be
ups = [0]
answers = []

def message(d):
    q, n = int(d.topic[3:]), int(d.text)
    bit = 1 << (n & 7)
    if seen[q][n >> 3] & bit:
        again[q][n >> 3] |= bit
    seen[q][n >> 3] |= bit

def delivery(token, state, reason):
    told[state] = told.get(state, 0) + 1

def feed():
    while quota[0] < quota[1] and s.queued < 20:
        s.publish("out/1", str(quota[0]), 1)
        s.publish("out/2", str(quota[0]), 2)
        quota[0] += 1

def ones(bits):
    return sum(bin(b).count("1") for b in bits)

def rest():
    settled = ones(seen[1]), ones(seen[2]), ones(again[1]), ones(again[2])
    gc.collect()
    free = gc.mem_free() if MICROPYTHON else 0
    return settled, free, live_objects()["blocks"]

def state(up, text):
    ups[0] += up

m = Manager()
s = MqttSession(m, peer("mqtt", PARAMS["port"]), "dev", message, on_state=state, on_delivery=delivery,
    on_subscribed=lambda *a: answers or answers.append(a), retry_min=20,
    retry_max=PARAMS["retry_max"], queue_max=30)
s.subscribe("in/+", 2)
timer = m.timer_add(20, feed, repeat=True)
serve(m)
"""
WAIT_S = 120


@dataclass
class Report:
    restarts: int
    messages: int
    seconds: float
    connections: int
    packets: dict[str, int]
    heap: list[tuple[int, int]]  # free bytes and blocks, every so often
    doubled: int  # with QoS 1, which may

    def __str__(self) -> str:
        tenth = max(1, len(self.heap) // 10)
        first = [round(median(h[n] for h in self.heap[:tenth])) for n in (0, 1)]
        last = [round(median(h[n] for h in self.heap[-tenth:])) for n in (0, 1)]
        lost = ""
        if self.packets:
            total = self.packets["in"] + self.packets["out"]
            lost = f"; {self.packets['lost']} of {total} packets lost"
        return (
            f"{self.messages} messages, {self.restarts} restarts, {self.connections} connections in "
            f"{self.seconds:.0f} s{lost}; heap free {first[0]} -> {last[0]} bytes, blocks of the core "
            f"{first[1]} -> {last[1]}; {self.doubled} with QoS 1 came twice"
        )

    def check(self, slack: int) -> None:
        tenth = max(1, len(self.heap) // 10)
        first, last = self.heap[:tenth], self.heap[-tenth:]
        assert median(h[0] for h in last) >= median(h[0] for h in first) - slack, str(self)
        # What is on its way in, and buffers that come and go.
        assert median(h[1] for h in last) <= median(h[1] for h in first) + 2, str(self)


def wait(condition, what: str, timeout: float = WAIT_S) -> None:
    end = time.monotonic() + clients.seconds(timeout)
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.01)


class Judge:
    """Subscribes to all that comes out; it leaves before a restart and comes back after it."""

    def __init__(self, port: int) -> None:
        self.seen: Counter[tuple[str, int]] = Counter()
        self.client = Client(("127.0.0.1", port), client_id="judge", clean_session=False)
        self.client.on_message = lambda c, u, m: self.seen.update([(m.topic, int(m.payload))])
        self.client.listen("out/#", 2)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def come(self) -> None:
        self.client.open()


def run(
    target, restarts: int, messages: int, seed: int = 1, loss: float = 0, progress=None, retry=1000
):
    """The report; raises if the session did not keep a promise."""
    count = -(-messages // 4)
    rnd = random.Random(seed)
    heap: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory(prefix="pymongoose-soak-") as name:
        folder = Path(name)
        keep = f"persistence true\npersistence_location {folder}/\nmax_queued_messages 0"
        broker = Broker(folder, more=keep)
        device = target.start(SCRIPT, {"port": broker.port, "count": count, "retry_max": retry})
        clients.adapt(target)
        begun = time.monotonic()
        try:
            device.expect("SERVING")
            device.until("answers", WAIT_S)
            judge = Judge(broker.port)
            if loss:
                target.ask("loss", percent=loss)
            for turn in range(restarts + 1):
                first, last = (count * n // (restarts + 1) for n in (turn, turn + 1))
                device.exec(f"quota[1] = {last}", WAIT_S)
                with Client(("127.0.0.1", broker.port)) as feeder:
                    for n in range(first, last):
                        for qos in (1, 2):
                            feeder.send(f"in/{qos}", str(n), qos)
                goal = (
                    2 * last if turn == restarts else 2 * first + rnd.randrange(2 * (last - first))
                )
                wait(lambda goal=goal: len(judge.seen) >= goal, f"message {goal}")
                if turn < restarts:
                    judge.leave()
                    broker.stop(signal.SIGTERM)
                    broker.start()
                    judge.come()
                if (turn + 1) * 50 % (restarts + 1) < 50:
                    device.until("s.queued == 0 and quota[0] == quota[1]", WAIT_S)
                    _, free, blocks = device.eval("rest()", WAIT_S)
                    heap.append((free, blocks))
                    if progress:
                        progress(turn, len(judge.seen), free, blocks)
            device.until(f"s.queued == 0 and ones(seen[1]) + ones(seen[2]) == {2 * count}", WAIT_S)
            end = Client(("127.0.0.1", broker.port))
            with end:  # behind all that the server may still have for the judge
                end.send("out/end", "-1", 2)
            wait(lambda: judge.seen["out/end", -1], "the judge's end")
            judge.leave()
            packets = {}
            if loss:
                packets = target.ask("packets")
                target.ask("loss", percent=0)
            seconds = time.monotonic() - begun
            (ones1, ones2, again1, again2), _, _ = device.eval("rest()", WAIT_S)
            told, ups = device.eval("told, ups[0]", WAIT_S)
            device.exec("s.close(); timer.cancel(); s = timer = None", WAIT_S)
            assert device.stop(WAIT_S) == [0, 0, 0, 0]
        finally:
            device.kill()
            with contextlib.suppress(NameError):
                judge.leave()
            broker.stop()
    del judge.seen["out/end", -1]
    wanted = {(f"out/{qos}", n) for qos in (1, 2) for n in range(count)}
    assert set(judge.seen) == wanted, sorted(wanted ^ set(judge.seen))[:10]
    twice = [key for key, times in judge.seen.items() if times > 1]
    assert not [key for key in twice if key[0] == "out/2"], twice
    assert (ones1, ones2, again2) == (count, count, 0), (ones1, ones2, again2)
    assert told == {"acknowledged": 2 * count}, told
    return Report(restarts, 4 * count, seconds, ups, packets, heap, len(twice) + again1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", action="append")
    parser.add_argument("--restarts", type=int, default=300)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--loss", type=float, default=5, metavar="PERCENT")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    failed = False
    for name in args.target or list(all_targets()):
        begun = time.monotonic()

        def show(turn, seen, free, blocks, name=name, begun=begun) -> None:
            print(
                f"{name:<8} {turn:>4} restarts {seen:>6} messages out {time.monotonic() - begun:5.0f} s   "
                f"heap free {free}   blocks {blocks}",
                flush=True,
            )

        target = find_target(name)
        loss = args.loss if hasattr(target, "ask") else 0
        try:
            report = run(target, args.restarts, args.messages, args.seed, loss, show)
            # What lies between garbage moves a little.
            report.check(slack=4096)
            print(f"{name:<8} flat: {report}", flush=True)
        except AssertionError as e:
            print(f"{name:<8} NOT KEPT: {e}", flush=True)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
