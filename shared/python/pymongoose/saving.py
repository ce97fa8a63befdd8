# SPDX-License-Identifier: GPL-2.0-only
"""A file that appears when it is whole."""

import os


class Saving:
    def __init__(self, path, progress, total):
        self._path = path
        self._progress = progress
        self._total = total
        self._done = 0
        self._whole = False
        self._file = open(path + ".part", "wb")

    def write(self, piece):
        self._file.write(piece)
        self._done += len(piece)
        if self._progress:
            self._progress(self._done, self._total)

    def end(self):
        self._file.close()
        self._whole = True
        getattr(os, "replace", os.rename)(self._path + ".part", self._path)
        return self._done

    def close(self):
        """Removes what is not whole."""
        if not self._whole:
            self._file.close()
            os.remove(self._path + ".part")
