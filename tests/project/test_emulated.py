# SPDX-License-Identifier: GPL-2.0-only
"""How long a wait for an emulated board is: as long as by the board's own clock."""

import queue
import threading

import pytest
from targets import DeviceError, pico


class Rig:
    """What a device asks its target; the board's clock goes on by so much at each look."""

    usual = 1.0
    is_broken = False

    def __init__(self, step):
        self.step, self.looks = step, 0

    def board_seconds(self):
        self.looks += 1
        return self.looks * self.step


def device_of(rig, monkeypatch):
    monkeypatch.setattr(pico, "AT_ONCE_S", 0.01)
    monkeypatch.setattr(pico, "SLICE_S", 0.02)
    device = pico.PicoDevice.__new__(pico.PicoDevice)
    device._target, device.slowness, device._ended = rig, 1.0, False
    return device


def test_a_slow_board_has_its_time(monkeypatch):
    """Two seconds of a board that has come to a fiftieth of its speed."""
    rig, lines = Rig(0.02), queue.Queue()
    device = device_of(rig, monkeypatch)

    def say():
        while rig.looks < 60:  # far more than the wall's clock would allow: 2 s are 100 looks
            threading.Event().wait(0.01)
        lines.put("here")

    thread = threading.Thread(target=say)
    thread.start()
    assert device._get(lines, 2.0, "a line") == "here"
    thread.join()


def test_but_no_more(monkeypatch):
    rig = Rig(1.0)
    with pytest.raises(DeviceError, match="waited .* for a line, 3 of its own"):
        device_of(rig, monkeypatch)._get(queue.Queue(), 3.0, "a line")
    assert rig.looks <= 5


def test_one_that_broke_is_not_waited_for(monkeypatch):
    rig = Rig(0.001)
    rig.is_broken = True
    with pytest.raises(DeviceError):
        device_of(rig, monkeypatch)._get(queue.Queue(), 100.0, "a line")
    assert rig.looks <= 2


@pytest.mark.parametrize(
    "wall, board, idle, pace",
    [(10, 10, 9, 1.0), (40, 10, 2, 38 / 8 / 2), (1000, 1, 0, 20.0), (5, 0, 0, 1.0)],
    ids=["idle", "busy", "hardly moves", "stands still"],
)
def test_the_pace_is_that_of_work(monkeypatch, wall, board, idle, pace):
    target = pico.PicoTarget()
    monkeypatch.setattr(pico.time, "monotonic", lambda: wall)
    monkeypatch.setattr(target, "ask", lambda what: {"nanos": board * 1e9, "idle_ms": idle * 1e3})
    target._measure()
    assert target.pace == pytest.approx(pace)
    assert target.slowness == pytest.approx(target.usual * pace)
