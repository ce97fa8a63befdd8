# SPDX-License-Identifier: GPL-2.0-only
"""Many calls of functions on a device in few questions, and how hypothesis makes them."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from peers.clients import some

#: Characters of one question: a board has to compile it in what its script leaves of the heap.
QUESTION = 4000


def examples(check, count=40):
    """The same examples in every run: a failure today is a failure tomorrow."""
    return settings(
        max_examples=some(count),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )(check)


def mutated(draw, data):
    """The bytes with some of them changed, dropped or doubled."""
    data = bytearray(data)
    for _ in range(draw(st.integers(0, 3))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        change = draw(st.integers(0, 2))
        if change == 0:
            data[at] = draw(st.integers(0, 255))
        elif change == 1:
            del data[at]
        else:
            data[at:at] = data[max(0, at - 20) : at]
    return bytes(data)


def portions(items):
    """A list of literals in parts that fit a question."""
    part, size = [], 0
    for item in items:
        length = len(repr(item)) + 2
        if part and size + length > QUESTION:
            yield part
            part, size = [], 0
        part.append(item)
        size += length
    if part:
        yield part


def each(device, function, items, *arguments):
    """The concatenated results of function(items, *arguments), which gives one for each item."""
    rest = "".join(f", {argument!r}" for argument in arguments)
    results = []
    for part in portions(items):
        results += device.eval(f"{function}({part!r}{rest})", 60)
    return results


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
    questions = [(name, args, {}) for name, *args in calls]
    return [as_float(answer) for answer in each(device, "calls", questions)]


def ask_kw(device, name, *args, **kwargs):
    """The result of one call with keyword arguments."""
    return as_float(device.eval(f"calls([({name!r}, {args!r}, {kwargs!r})])[0]"))


def as_float(answer):
    if isinstance(answer, tuple) and len(answer) == 2 and answer[0] == "float":
        return float(answer[1])
    return answer
