# SPDX-License-Identifier: GPL-2.0-only
# A desk's pins: one small file, which the test writes (levels set from outside, voltages) and the
# program (what it makes of its pins). Both ends use this text. In the subset that both Pythons run.

PINS, CHANNELS = 30, 5
_DRIVEN, _STATE, _RISEN, _FALLEN, _VOLTS = 0, 32, 64, 96, 128
SIZE = 160
NOBODY = 255  # of _DRIVEN: nothing is connected
UNUSED, INPUT, PULL_UP, PULL_DOWN, LOW, HIGH, PWM = range(7)  # of _STATE


class Wires:
    """`opened()` gives the file, open for reading and writing, without a buffer."""

    def __init__(self, opened):
        self._opened = opened
        # A thread, or a scheduled function, may come between a seek() and what it is for: who finds
        # no file here takes another.
        self._files = [opened()]

    def _take(self):
        try:
            return self._files.pop()
        except IndexError:
            return self._opened()

    def _get(self, at, size=1):
        file = self._take()
        file.seek(at)
        data = file.read(size)
        self._files.append(file)
        return data

    def _put(self, at, data):
        file = self._take()
        file.seek(at)
        file.write(data)
        self._files.append(file)

    def close(self):
        while self._files:
            self._files.pop().close()

    def clear(self):
        self._put(0, bytes([NOBODY] * _STATE + [0] * (SIZE - _STATE)))

    def unplug(self):
        """A program has ended: its pins are unused."""
        self._put(_STATE, bytes(PINS))

    def state(self, pin):
        return self._get(_STATE + pin)[0]

    def become(self, pin, state):
        self._put(_STATE + pin, bytes([state]))

    def level(self, pin):
        state = self.state(pin)
        if state in (LOW, HIGH):
            return int(state == HIGH)
        driven = self._get(_DRIVEN + pin)[0]
        return int(state == PULL_UP) if driven == NOBODY else driven

    def drive(self, pin, value):
        """From outside; value is 0, 1 or NOBODY. An edge is counted, however short it is."""
        before = self.level(pin)
        self._put(_DRIVEN + pin, bytes([value]))
        after = self.level(pin)
        if before != after:
            at = (_RISEN if after else _FALLEN) + pin
            self._put(at, bytes([(self._get(at)[0] + 1) & 255]))

    def edges(self):
        """How many there were since clear(), modulo 256: bytes of risen, bytes of fallen."""
        data = self._get(_RISEN, 64)
        return data[:PINS], data[32 : 32 + PINS]

    def feed(self, channel, value):
        self._put(_VOLTS + 2 * channel, bytes([value & 255, value >> 8]))

    def volts(self, channel):
        """0 to 4095."""
        low, high = self._get(_VOLTS + 2 * channel, 2)
        return low | high << 8
