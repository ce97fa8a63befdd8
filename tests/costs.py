# SPDX-License-Identifier: GPL-2.0-only
"""What the usual run of a slow target takes of the suite, and what it leaves to `make test-long`.

A usual run takes of each test its first cases, and of each module what fits; a test states
what it costs beside the others by `@pytest.mark.cost(seconds)`.
"""

from collections import Counter

#: How many cases of one test, and of one with TLS, whose handshakes take seconds.
CASES, TLS_CASES = 2, 1
#: Seconds of the emulated Pico on a computer that does nothing else: a test on a script that others
#: share, one that starts its own, and what those of a module without a cost mark may take.
SHARED_COST, OWN_COST, MODULE_COST = 0.25, 0.6, 15
#: And all tests: those with a cost mark come in while there is room, the cheapest first.
USUAL_RUN = 660


def left_out(items):
    """The tests that a usual run leaves out."""
    cases, spent, left, marked = Counter(), Counter(), [], []
    for item in items:
        mark = item.get_closest_marker("cost")
        usual = OWN_COST if "device" in item.fixturenames else SHARED_COST
        cost = mark.args[0] if mark else usual
        cases[item.originalname, item.path] += 1
        most = TLS_CASES if item.path.name.startswith("test_tls") else CASES
        fits = cases[item.originalname, item.path] <= most
        if fits and mark is None:
            fits = spent[item.path] + cost <= MODULE_COST
            spent[item.path] += cost if fits else 0
        if not fits:
            left.append(item)
        elif mark and not item.get_closest_marker("long"):
            marked.append((cost, item))
    total = sum(spent.values())
    for cost, item in sorted(marked, key=lambda pair: pair[0]):
        total += cost
        if total > USUAL_RUN:
            left.append(item)
    return left
