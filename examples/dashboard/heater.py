# SPDX-License-Identifier: GPL-2.0-only
"""The model: a heater under control, and a program, so that something happens."""

# (seconds, degrees Celsius that are wanted, whether the window is open)
PROGRAM = (
    (20, 60, False),
    (6, 60, True),
    (19, 60, False),
    (25, 75, False),
    (25, 45, False),
)


def program(seconds):
    """(target, window) at this time of the program, which begins again after its end."""
    seconds %= sum(step[0] for step in PROGRAM)
    for step in PROGRAM:
        if seconds < step[0]:
            break
        seconds -= step[0]
    return step[1:]


class Heater:
    """A body that cools toward what is around it, and a PI controller that holds the target."""

    def __init__(self):
        self.temperature = 20.0  # degrees Celsius
        self.power = 0.0  # 0 to 1
        self.integral = 0.0

    def step(self, seconds, target, window):
        """Lets time pass. On a board, read a sensor and switch a heater here instead."""
        around, time_constant = (8, 6) if window else (20, 12)
        while seconds > 0:
            dt = min(seconds, 0.1)
            seconds -= dt
            error = target - self.temperature
            wanted = 0.06 * error + self.integral
            self.power = min(max(wanted, 0.0), 1.0)
            if self.power == wanted:  # an integral that grows while it cannot help overshoots
                self.integral += 0.008 * error * dt
            loss = (self.temperature - around) / time_constant
            self.temperature += (6.5 * self.power - loss) * dt
