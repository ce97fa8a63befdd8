# SPDX-License-Identifier: GPL-2.0-only
"""The header fields of a request or an answer."""


class Headers:
    """Header fields, (name, value) each in their order: by name in any case, or by position.

    Called, it gives the pairs, as HttpMessage.headers() does."""

    def __init__(self, pairs=()):
        self.pairs = list(pairs)

    def __call__(self):
        return list(self.pairs)

    def get(self, name, default=None):
        """The first value of a name."""
        name = name.lower()
        for key, value in self.pairs:
            if key.lower() == name:
                return value
        return default

    def getlist(self, name):
        """All values of a name."""
        name = name.lower()
        return [value for key, value in self.pairs if key.lower() == name]

    def setdefault(self, name, value):
        """The first value of a name, which this one becomes where there is none."""
        found = self.get(name)
        if found is None:
            self.pairs.append((name, value))
            return value
        return found

    def update(self, headers):
        """Sets each of a dict or of pairs, in place of those of the same name."""
        for name, value in list(pairs_of(headers)):
            self[name] = value

    def append(self, pair):
        """Adds (name, value) beside those of the same name."""
        self.pairs.append(pair)

    def extend(self, pairs):
        """Adds several."""
        self.pairs.extend(pairs_of(pairs))

    def __iadd__(self, pairs):
        self.extend(pairs)
        return self

    def __add__(self, pairs):
        return self.pairs + list(pairs_of(pairs))

    def __radd__(self, pairs):
        return list(pairs_of(pairs)) + self.pairs

    def _remove(self, name):
        name = name.lower()
        kept = [pair for pair in self.pairs if pair[0].lower() != name]
        found = len(kept) < len(self.pairs)
        self.pairs = kept
        return found

    def pop(self, name, *default):
        """Takes all of a name out; the first value. Without a default KeyError where there is none."""
        found = self.get(name)
        if found is None:
            if not default:
                raise KeyError(name)
            return default[0]
        self._remove(name)
        return found

    def __getitem__(self, name):
        if not isinstance(name, str):
            return self.pairs[name]
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __setitem__(self, name, value):
        if isinstance(name, str):
            self._remove(name)
            self.pairs.append((name, value))
        else:
            self.pairs[name] = value

    def __delitem__(self, name):
        if not isinstance(name, str):
            del self.pairs[name]
        elif not self._remove(name):
            raise KeyError(name)

    def __contains__(self, name):
        return name in self.pairs if isinstance(name, tuple) else self.get(name) is not None

    def __iter__(self):
        return iter(self.pairs)

    def __len__(self):
        return len(self.pairs)

    def __eq__(self, other):
        return self.pairs == pairs_of(other)

    def keys(self):
        """The names, as they stand there."""
        return [key for key, _ in self.pairs]

    def values(self):
        """The values, in their order."""
        return [value for _, value in self.pairs]

    def items(self):
        """All (name, value), in their order."""
        return list(self.pairs)

    def __repr__(self):
        return "Headers(%r)" % (self.pairs,)


def pairs_of(headers):
    """Headers, of a dict, too, as pairs."""
    if isinstance(headers, Headers):
        return headers.pairs
    return list(headers.items()) if isinstance(headers, dict) else headers or ()
