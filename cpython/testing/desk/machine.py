# SPDX-License-Identifier: GPL-2.0-only
# MicroPython's module `machine` for a program at the desk, with the numbers and the manners of an
# RP2040: what its documentation has of Pin, ADC, PWM, Timer and resets. The test at the other end of
# the wires sets and reads the pins. In the subset that both Pythons run.
import os
import sys
import time

import micropython
from wires import CHANNELS, HIGH, INPUT, LOW, PINS, PULL_DOWN, PULL_UP, Wires
from wires import PWM as _PWM

try:
    import _thread
except ImportError:
    _thread = None

PWRON_RESET, WDT_RESET = 1, 3
_FOLDER = os.getenv("PMG_DESK")
_TICK_MS = 2

try:
    _wires = Wires(lambda: open(_FOLDER + "/wires", "r+b", buffering=0))
except TypeError:  # MicroPython buffers nothing
    _wires = Wires(lambda: open(_FOLDER + "/wires", "r+b"))


def _lacks(name):
    return NotImplementedError(
        "machine.%s is not there on a desk: run this on a board, or on the emulated Pico" % name
    )


def _refuse(where, more):
    for name in more:
        raise _lacks("%s(%s=)" % (where, name))


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise _lacks(name)


# ---- What goes on beside the program: timers, and edges of pins --------------------------------------

_timers = []
_watched = {}
_ticking = False
_seen = (b"", b"")


def _start_ticking():
    global _ticking, _seen
    if _ticking:
        return
    if _thread is None:
        raise _lacks("Timer")
    _ticking = True
    _seen = _wires.edges()
    _thread.start_new_thread(_tick, ())


def _soon(function, argument):
    try:
        micropython.schedule(function, argument)
        return True
    except RuntimeError:  # the queue is full: tried again, or lost as on a board
        return False


def _tick():
    global _seen
    while True:
        time.sleep(_TICK_MS / 1000)
        for timer in _timers:
            timer._look()
        if _watched:
            now = _wires.edges()
            if now != _seen:
                before, _seen = _seen, now
                for pin in list(_watched):
                    for kind, trigger in ((0, Pin.IRQ_RISING), (1, Pin.IRQ_FALLING)):
                        _edge(pin, trigger, (now[kind][pin] - before[kind][pin]) & 255)


def _edge(number, trigger, times):
    irq = _watched.get(number)
    if irq is None or not times or not irq._trigger & trigger:
        return
    irq._flags = trigger
    for _ in range(times):
        _soon(irq._handler, irq._pin)


class Timer:
    ONE_SHOT, PERIODIC = 0, 1

    def __init__(self, id=-1, **how):
        if id != -1:
            raise ValueError("Timer doesn't exist")
        self._due = None
        if how:
            self.init(**how)

    def init(self, *, mode=1, freq=-1, period=-1, callback=None, hard=False):
        self.deinit()
        if freq != -1:
            period = 1000 / freq
        if period <= 0:
            raise ValueError("a Timer needs a period in ms, or a freq in Hz")
        self._mode, self._period, self._callback = mode, int(period), callback
        self._due = time.ticks_add(time.ticks_ms(), self._period)
        _start_ticking()
        global _timers
        _timers = _timers + [self]

    def deinit(self):
        global _timers
        self._due = None
        _timers = [t for t in _timers if t is not self]

    def _look(self):
        due = self._due
        if due is None or time.ticks_diff(time.ticks_ms(), due) < 0:
            return
        if self._mode == self.ONE_SHOT:
            self._due = None
        else:
            self._due = time.ticks_add(due, self._period)
        if self._callback:
            _soon(self._callback, self)

    def __getattr__(self, name):
        raise AttributeError(name) if name.startswith("__") else _lacks("Timer." + name)


# ---- Pins ---------------------------------------------------------------------------------------------


def _number(id):
    if isinstance(id, Pin):
        return id._id
    if isinstance(id, str):
        if id == "LED":
            return 25
        if id[:2] == "GP" and id[2:].isdigit():
            id = int(id[2:])
    if not isinstance(id, int) or not 0 <= id < PINS:
        raise ValueError(
            "invalid pin %r: 0 to %d, 'GP0' to 'GP%d', or 'LED'" % (id, PINS - 1, PINS - 1)
        )
    return id


class _Irq:
    def __init__(self, pin, handler, trigger):
        self._pin, self._handler, self._trigger, self._flags = pin, handler, trigger, 0

    def flags(self):
        return self._flags

    def trigger(self):
        return self._trigger


class Pin:
    IN, OUT, OPEN_DRAIN, ALT = 0, 1, 2, 3
    PULL_UP, PULL_DOWN = 1, 2
    IRQ_FALLING, IRQ_RISING = 4, 8

    def __init__(self, id, mode=-1, pull=-1, *, value=None, **more):
        self._id = _number(id)
        _refuse("Pin", more)
        if mode != -1 or pull != -1 or value is not None:
            self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, **more):
        _refuse("Pin.init", more)
        if mode not in (-1, self.IN, self.OUT, self.OPEN_DRAIN):
            raise _lacks("Pin(mode=%r)" % (mode,))
        if pull not in (-1, None, self.PULL_UP, self.PULL_DOWN):
            raise ValueError("pull is None, Pin.PULL_UP or Pin.PULL_DOWN, not %r" % (pull,))
        if mode == -1:
            mode = self._mode()
        rest = INPUT
        if pull in (self.PULL_UP, self.PULL_DOWN):
            rest = PULL_UP if pull == self.PULL_UP else PULL_DOWN
        _modes[self._id] = (mode, rest)
        if mode == self.IN:
            _wires.become(self._id, rest)
        else:
            before = _levels.get(self._id, 0)
            self._out(before if value is None else value)

    def _mode(self):
        return _modes.get(self._id, (self.IN, INPUT))[0]

    def _out(self, value):
        _levels[self._id] = value = int(bool(value))
        mode, rest = _modes.get(self._id, (self.IN, INPUT))
        if mode == self.OUT:
            _wires.become(self._id, HIGH if value else LOW)
        elif mode == self.OPEN_DRAIN:
            _wires.become(self._id, rest if value else LOW)

    def value(self, *level):
        if not level:
            return _wires.level(self._id)
        self._out(level[0])

    __call__ = value

    def on(self):
        self._out(1)

    def off(self):
        self._out(0)

    high, low = on, off

    def toggle(self):
        self._out(not _levels.get(self._id, 0))

    def irq(self, handler=None, trigger=12, *, hard=False, **more):
        _refuse("Pin.irq", more)
        if hard:
            raise _lacks("Pin.irq(hard=True)")
        if trigger & ~12:
            raise _lacks("Pin.irq() for levels")
        _watched.pop(self._id, None)
        irq = _Irq(self, handler, trigger)
        if handler:
            _start_ticking()
            global _seen
            if not _watched:
                _seen = _wires.edges()
            _watched[self._id] = irq
        return irq

    def __repr__(self):
        return "Pin(GPIO%d)" % self._id

    def __getattr__(self, name):
        raise AttributeError(name) if name.startswith("__") else _lacks("Pin." + name)


_modes, _levels = {}, {}


class ADC:
    CORE_TEMP = 4

    def __init__(self, id, **more):
        _refuse("ADC", more)
        if isinstance(id, int) and 0 <= id < CHANNELS:
            self._channel = id
            return
        number = _number(id)
        if not 26 <= number < 30:
            raise ValueError("Pin doesn't have ADC capabilities")
        self._channel = number - 26

    def read_u16(self):
        value = _wires.volts(self._channel)
        return value << 4 | value >> 8

    def __getattr__(self, name):
        raise AttributeError(name) if name.startswith("__") else _lacks("ADC." + name)


class PWM:
    def __init__(self, dest, *, freq=None, duty_u16=None, duty_ns=None, **more):
        _refuse("PWM", more)
        self._id = _number(dest)
        self._freq, self._duty = 0, 0
        self.init(freq=freq, duty_u16=duty_u16, duty_ns=duty_ns)

    def init(self, *, freq=None, duty_u16=None, duty_ns=None):
        _wires.become(self._id, _PWM)
        if freq is not None:
            self.freq(freq)
        if duty_u16 is not None:
            self.duty_u16(duty_u16)
        if duty_ns is not None:
            self.duty_ns(duty_ns)

    def freq(self, *value):
        if not value:
            return self._freq
        if not 8 <= value[0] <= 62500000:
            raise ValueError("freq too small" if value[0] < 8 else "freq too large")
        self._freq = value[0]

    def duty_u16(self, *value):
        if not value:
            return self._duty
        self._duty = min(max(value[0], 0), 65535)

    def duty_ns(self, *value):
        if not value:
            return self._duty * 1000000000 // (65535 * self._freq) if self._freq else 0
        self.duty_u16(value[0] * self._freq * 65535 // 1000000000)

    def deinit(self):
        _wires.become(self._id, INPUT)

    def __getattr__(self, name):
        raise AttributeError(name) if name.startswith("__") else _lacks("PWM." + name)


# ---- The board ----------------------------------------------------------------------------------------


def _restart(how):
    with open(_FOLDER + "/reset", "w") as f:
        f.write(how)
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()
    if hasattr(os, "_exit"):
        os._exit(0)
    # No exception, which the program might catch.
    os.system("kill -9 $PPID")
    while True:
        time.sleep(1)


def reset():
    _restart("machine.reset()")


def soft_reset():
    _restart("machine.soft_reset()")


def reset_cause():
    return WDT_RESET if os.getenv("PMG_RESET") else PWRON_RESET


def unique_id():
    return bytes([int(os.getenv("PMG_NUMBER") or 0)] * 8)


def freq(*hertz):
    return None if hertz else 125000000


def idle():
    time.sleep_ms(1)
