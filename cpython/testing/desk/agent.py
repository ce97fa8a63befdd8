# SPDX-License-Identifier: GPL-2.0-only
# What a desk's Python runs: a raw REPL without echo. A line with a length in bytes, and so much text,
# is run in one namespace until the process ends; then come EOT, the traceback, EOT. In the subset
# that both Pythons run.
import sys

_CPYTHON = sys.implementation.name == "cpython"
_EOT = "\x04"


def _ready(desk):
    """Programs find `machine` and `network`, and on CPython what else is MicroPython's alone."""
    own = desk + ("/on_cpython" if _CPYTHON else "/on_micropython")
    # Ahead of all stands the program's own folder.
    sys.path[:] = ["", own, desk] + [p for p in sys.path if p and not p.startswith(desk)]
    if _CPYTHON:
        import boardlike

        boardlike.install()
    import os

    if os.getenv("PMG_NUMBER") != "0":
        import ports

        ports.install()


def _traceback(e):
    """As a board prints it: nothing of this file is in it."""
    if _CPYTHON:
        import traceback

        lines = traceback.TracebackException.from_exception(e)
        frames = [f for f in lines.stack if f.filename != __file__]
        lines.stack = traceback.StackSummary.from_list(frames)
        return "".join(lines.format())
    import io

    out = io.StringIO()
    sys.print_exception(e, out)
    lines = out.getvalue().split("\n")
    return "\n".join([line for line in lines if "agent.py" not in line])


def _serve(space):
    stdin = sys.stdin.buffer
    say = sys.stdout.write
    while True:
        try:
            line = stdin.readline()
            if not line:
                return
            text = stdin.read(int(line)).decode()
        except KeyboardInterrupt:  # when nothing ran
            continue
        failure = ""
        try:
            exec(compile(text, "<stdin>", "exec"), space)
        except SystemExit:
            pass
        except BaseException as e:
            failure = _traceback(e)
        say(_EOT + failure + _EOT)
        if _CPYTHON:
            sys.stdout.flush()


def _execfile(name):
    with open(name) as f:
        text = f.read()
    exec(compile(text, name, "exec"), _space)


_ready(sys.argv[1])
_space = {"__name__": "__main__"}
if _CPYTHON:
    _space["execfile"] = _execfile
_serve(_space)
