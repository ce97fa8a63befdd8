# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""Folders of files under a path."""

from pymongoose.web.response import Response


def add_static(app, prefix, folder, headers, listing):
    """Adds the routes of a folder."""
    if not prefix.startswith("/"):
        raise ValueError("files are served under a path such as /static, not " + repr(prefix))
    base = prefix.rstrip("/")

    def static(request, path=""):
        response = Response(b"", 200, headers)
        # As the request names it: an App may be mounted elsewhere.
        shown = request.route.text
        shown = shown[: shown.rfind("/")]
        response.file = {shown: folder} if shown else folder
        response.listing = listing
        return response

    app.get(base + "/<path:path>")(static)
    app.get(base + "/")(static)
