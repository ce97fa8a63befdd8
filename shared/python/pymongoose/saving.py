# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""A file that appears when it is whole."""

import os


def replace(path, by):
    """Renames a file, over one of that name."""
    if hasattr(os, "replace"):
        os.replace(path, by)
        return
    try:
        os.rename(path, by)
    except OSError:  # FAT does not rename onto a file
        os.remove(by)
        os.rename(path, by)


class Saving:
    def __init__(self, path, progress, total):
        if hasattr(os, "fspath"):
            path = os.fspath(path)
        if not isinstance(path, str):
            raise TypeError("path must be str, not " + type(path).__name__)
        self._path = path
        self._progress = progress
        self._total = total
        self._done = 0
        self._begun = self._whole = False
        self._file = None

    def begin(self):
        self._begun = True  # ahead of it: Ctrl-C may come once the file is there
        try:
            self._file = open(self._path + ".part", "wb")
        except Exception:
            self._begun = False
            raise

    def write(self, piece):
        self._file.write(piece)
        self._done += len(piece)
        if self._progress:
            self._progress(self._done, self._total)

    def end(self):
        self._file.close()
        replace(self._path + ".part", self._path)
        self._whole = True
        return self._done

    def close(self):
        """Removes what is not whole."""
        if self._begun and not self._whole:
            if self._file:
                self._file.close()
            try:
                os.remove(self._path + ".part")
            except OSError:  # Ctrl-C came when it had its name already
                pass
