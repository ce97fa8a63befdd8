# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""What App(debug=True) shows."""

import sys


def traceback(e):
    """The traceback of an exception."""
    if sys.implementation.name == "cpython":
        from traceback import format_exception

        return "".join(format_exception(type(e), e, e.__traceback__))
    import io

    out = io.StringIO()
    sys.print_exception(e, out)
    return out.getvalue()
