"""The text that a model adds to a prompt, piece by piece as its characters become whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

Decode = Callable[[Sequence[int]], str]
BROKEN = "\ufffd"  # what a decoder shows of a character that lacks some of its bytes


class Continuation:
    """Reads tokens behind those of a prompt.

    A token is read together with the ones before it, since decoders drop the space before a text's first word and join
    the bytes of a character; what is new is what the text is longer by. Nothing is given out while its end is broken.
    Only the tokens since the last two whole places are decoded again, so that the work grows with the length alone.
    """

    def __init__(self, decode: Decode, prompt: Sequence[int]) -> None:
        self._decode = decode
        self._ids = list(prompt)
        self._first = 0
        self._whole = len(self._ids)

    def add(self, token: int) -> str:
        """The text that has become whole with this token; often none."""
        self._ids.append(token)
        new = self._new()
        if not new or new.endswith(BROKEN):
            return ""
        self._first, self._whole = self._whole, len(self._ids)
        return new

    def rest(self) -> str:
        """What was held back, where no token follows: broken characters as U+FFFD."""
        return self._new()

    def _new(self) -> str:
        known = self._decode(self._ids[self._first : self._whole])
        return self._decode(self._ids[self._first :])[len(known) :]


def continued(decode: Decode, prompt: Sequence[int], ids: Iterable[int]) -> str:
    """The whole text that ``ids`` add to the prompt: all pieces together."""
    reading = Continuation(decode, prompt)
    return "".join([*(reading.add(token) for token in ids), reading.rest()])
