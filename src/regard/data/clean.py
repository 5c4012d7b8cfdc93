"""Which pairs of a corpus to leave out, with a count and examples for each reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from regard.config import setting
from regard.data.lines import is_whole
from regard.errors import DataError

EXAMPLES = 3
SHORT = 10  # characters: a shorter side counts as this long when lengths are compared


@dataclass(frozen=True)
class Cleaning:
    """The rules, in the order in which they are applied. Pairs with an empty side, or bytes for text, always go."""

    max_length: int = setting(1000, help="characters of a side at most; 0: any number", minimum=0)
    max_words: int = setting(200, help="words (between white space) of a side at most; 0: any number", minimum=0)
    max_ratio: float = setting(6.0, help="characters of the longer side to the shorter at most; 0: any", minimum=0)
    drop_copies: bool = setting(False, help="leave out pairs whose target is their source")
    drop_duplicates: bool = setting(True, help="leave out pairs that came before")


@dataclass(frozen=True)
class Example:
    """A pair that was left out; ``line`` counts pairs from 1."""

    line: int
    source: str
    target: str


@dataclass
class Dropped:
    """How many pairs a rule left out, and the first of them."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass
class CleaningReport:
    """What became of the pairs; ``dropped`` has an entry for each rule that left something out."""

    read: int = 0
    kept: int = 0
    dropped: dict[str, Dropped] = field(default_factory=dict)

    def rows(self) -> list[tuple[str, int, str]]:
        """(rule, pairs, where) for a table: all read, each rule, all kept."""
        rows = [("read", self.read, "")]
        for rule, dropped in self.dropped.items():
            lines = ", ".join(str(example.line) for example in dropped.examples)
            more = ", …" if dropped.count > len(dropped.examples) else ""
            rows.append((rule, dropped.count, f"lines {lines}{more}"))
        return [*rows, ("kept", self.kept, "")]

    def note(self) -> str | None:
        """What was left out and by which rule, in a sentence; None where nothing was."""
        rules = [f"{rule}: {count}, {where}" for rule, count, where in self.rows()[1:-1]]
        return f"{self.kept} of {self.read} pairs are kept; left out: {'; '.join(rules)}" if rules else None


class Cleaner:
    """Applies the rules to a stream of pairs. ``report`` is complete once the stream has ended."""

    def __init__(self, rules: Cleaning) -> None:
        self.rules = rules
        self.report = CleaningReport()
        self._seen: set[int] = set()  # 64-bit hashes: a million pairs take about 64 MiB

    def __call__(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """The pairs that no rule leaves out. Raises DataError at the end where none was kept."""
        self.report = report = CleaningReport()
        self._seen.clear()
        for source, target in pairs:
            report.read += 1
            rule = self._broken(source, target)
            if rule is None:
                report.kept += 1
                yield source, target
                continue
            dropped = report.dropped.setdefault(rule, Dropped())
            dropped.count += 1
            if len(dropped.examples) < EXAMPLES:
                dropped.examples.append(Example(report.read, _shortened(source), _shortened(target)))
        self._seen.clear()
        if not report.kept:
            reasons = ", ".join(f"{rule}: {dropped.count}" for rule, dropped in report.dropped.items())
            got = f"{report.read} pairs, none of which was kept ({reasons})" if report.read else "no pairs"
            raise DataError.because("cleaning", got, "at least one to keep", "check the corpus or loosen that rule")

    def _broken(self, source: str, target: str) -> str | None:
        """The name of the first rule that the pair breaks."""
        rules = self.rules
        if not (is_whole(source) and is_whole(target)):
            return "not UTF-8"
        if not source.strip() or not target.strip():
            return "empty side"
        shorter, longer = sorted((len(source), len(target)))
        if rules.max_length and longer > rules.max_length:
            return f"longer than {rules.max_length} characters"
        if rules.max_words and max(len(source.split()), len(target.split())) > rules.max_words:
            return f"longer than {rules.max_words} words"
        if rules.max_ratio and longer > rules.max_ratio * max(shorter, SHORT):
            return f"lengths differ by more than {rules.max_ratio:g} times"
        if rules.drop_copies and source == target:
            return "target is the source"
        if rules.drop_duplicates and self._came_before(source, target):
            return "duplicate"
        return None

    def _came_before(self, source: str, target: str) -> bool:
        text = f"{source}\n{target}".encode("utf-8", "surrogatepass")
        key = int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
        if key in self._seen:
            return True
        self._seen.add(key)
        return False


def _shortened(text: str, limit: int = 80) -> str:
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return text if is_whole(text) else text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
