# SPDX-License-Identifier: GPL-2.0-only
"""Many calls of functions on a device in few questions, and how hypothesis makes them."""

from clients import some
from hypothesis import HealthCheck, settings


def examples(test):
    """The same examples in every run: a failure today is a failure tomorrow."""
    return settings(
        max_examples=some(40),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(test)


SCRIPT = """
def call(name, args, kwargs):
    try:
        return getattr(pymongoose, name)(*args, **kwargs)
    except (ValueError, TypeError, MemoryError, Error) as e:
        return (type(e).__name__, str(e))

def calls(all):
    # A float's repr is kept: infinity has no literal.
    results = [call(*one) for one in all]
    return [("float", repr(r)) if type(r) is float else r for r in results]

serve()
"""


def ask(device, calls):
    """Results of (name, *arguments); an exception is (its type's name, its text)."""
    answers = device.eval(f"calls({[(name, args, {}) for name, *args in calls]!r})", 60)
    return [as_float(answer) for answer in answers]


def ask_kw(device, name, *args, **kwargs):
    """The result of one call with keyword arguments."""
    return as_float(device.eval(f"calls([({name!r}, {args!r}, {kwargs!r})])[0]"))


def as_float(answer):
    if isinstance(answer, tuple) and len(answer) == 2 and answer[0] == "float":
        return float(answer[1])
    return answer
