"""Which validation texts are trained on as well, and so say nothing about unseen ones.

Texts are compared by a 64-bit hash of them without case and repeated spaces.
"""

from __future__ import annotations

from collections.abc import Iterable

from regard.data.line_facts import text_key

FEW = 0.01  # of the validation texts: so many are no matter, and short texts come again by themselves


class Leaks:
    """Looks out for validation texts (rows of one text or more, with their lines) among those trained on."""

    def __init__(self, valid: Iterable[tuple[int, tuple[str, ...]]]) -> None:
        self._lines: dict[tuple[int, ...], list[int]] = {}
        for line, texts in valid:
            self._lines.setdefault(_keys(texts), []).append(line)
        self.count = sum(map(len, self._lines.values()))
        self.found: dict[int, int] = {}  # the line of a validation text → the first one in training

    def see(self, line: int, texts: tuple[str, ...]) -> None:
        """Take note of one text that is trained on."""
        for there in self._lines.pop(_keys(texts), ()):
            self.found[there] = line

    def note(self, what: str, valid: object, train: object) -> str | None:
        """A warning with the count and the first of them; None where there are none, or hardly any."""
        if not self.found or len(self.found) <= FEW * self.count:
            return None
        there, here = min(self.found.items())
        return (
            f"Warning: {len(self.found)} of the {self.count} {what} for validation are also trained on: the first is "
            f"line {there} of {valid} and line {here} of {train}. The scores will be too good."
        )


def _keys(texts: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(text_key(" ".join(text.split()).casefold()) for text in texts)
