# SPDX-License-Identifier: GPL-2.0-only
"""A file that appears when it is whole."""

import os


class Saving:
    def __init__(self, path, progress, total):
        self._path = path
        self._progress = progress
        self._total = total
        self._done = 0
        self._file = open(path + ".part", "wb")

    def write(self, piece):
        self._file.write(piece)
        self._done += len(piece)
        if self._progress:
            self._progress(self._done, self._total)

    def end(self):
        file, self._file = self._file, None
        file.close()
        getattr(os, "replace", os.rename)(self._path + ".part", self._path)
        return self._done

    def close(self):
        """Removes what is not whole."""
        if self._file:
            self._file.close()
            os.remove(self._path + ".part")
