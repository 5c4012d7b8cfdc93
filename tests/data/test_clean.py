from __future__ import annotations

import sys

import pytest

from regard.data.clean import Cleaner, Cleaning, Example
from regard.errors import DataError

ALL = Cleaning(max_length=40, max_words=5, max_ratio=3.0, drop_copies=True, drop_duplicates=True)
GOOD = ("Ein Hund.", "A dog.")


def cleaned(pairs: list[tuple[str, str]], rules: Cleaning = ALL) -> tuple[list[tuple[str, str]], Cleaner]:
    cleaner = Cleaner(rules)
    return list(cleaner([GOOD, *pairs]))[1:], cleaner


@pytest.mark.parametrize(
    ("pair", "rule"),
    [
        (("", "A dog."), "empty side"),
        (("Ein Hund.", " \t\u3000"), "empty side"),
        (("x" * 41, "y" * 40), "longer than 40 characters"),
        (("y" * 40, "x" * 41), "longer than 40 characters"),
        (("a b c d e f", "a b c d e"), "longer than 5 words"),
        (("a" * 37, "b" * 12), "lengths differ by more than 3 times"),
        (("b", "a" * 31), "lengths differ by more than 3 times"),  # a side counts as 10 characters at least
        (("same", "same"), "target is the source"),
        (GOOD, "duplicate"),
    ],
)
def test_each_rule_drops_its_pair(pair: tuple[str, str], rule: str) -> None:
    kept, cleaner = cleaned([pair])
    assert kept == []
    assert {name: dropped.count for name, dropped in cleaner.report.dropped.items()} == {rule: 1}
    assert cleaner.report.dropped[rule].examples[0].line == 2


@pytest.mark.parametrize(
    "pair",
    [
        ("x" * 40, "y" * 40),
        ("a b c d e", "a b c d e!"),
        ("a" * 36, "b" * 12),
        ("b", "a" * 30),
        ("Ein Hund.", "A dog!"),
        ("A dog.", "Ein Hund."),  # the other way round is another pair
    ],
)
def test_a_pair_just_within_the_rules_stays(pair: tuple[str, str]) -> None:
    assert cleaned([pair])[0] == [pair]


def test_where_source_ends_and_target_begins_tells_pairs_apart() -> None:
    pairs = [("ab", "cx"), ("a", "bcx"), ("abc", "x")]
    assert cleaned(pairs)[0] == pairs


def test_rules_that_are_off_drop_nothing() -> None:
    pairs = [("a " * 5000, "a"), ("same", "same"), ("same", "same")]
    rules = Cleaning(max_length=0, max_words=0, max_ratio=0, drop_copies=False, drop_duplicates=False)
    assert cleaned(pairs, rules)[0] == pairs


def test_the_report_counts_all_and_shows_three() -> None:
    pairs = [("x" * 100, "y")] * 5 + [("", "a")] + [("fine", "gut")]
    kept, cleaner = cleaned(pairs)
    assert kept == [("fine", "gut")]
    assert cleaner.report.rows() == [
        ("read", 8, ""),
        ("longer than 40 characters", 5, "lines 2, 3, 4, …"),
        ("empty side", 1, "lines 7"),
        ("kept", 2, ""),
    ]
    examples = cleaner.report.dropped["longer than 40 characters"].examples
    assert examples[0] == Example(line=2, source="x" * 79 + "…", target="y")
    assert len(examples) == 3


def test_every_pair_is_kept_or_dropped_once() -> None:
    pairs = [("a" * (n % 60), "b" * (n * 7 % 50)) for n in range(500)]
    _, cleaner = cleaned(pairs)
    report = cleaner.report
    assert report.read == 501 == report.kept + sum(dropped.count for dropped in report.dropped.values())


def test_a_second_use_begins_anew() -> None:
    cleaner = Cleaner(ALL)
    assert list(cleaner([GOOD])) == list(cleaner([GOOD])) == [GOOD]
    assert cleaner.report.read == 1


def test_when_nothing_is_left_the_rules_are_blamed_with_counts() -> None:
    with pytest.raises(
        DataError, match=r"got 3 pairs, none of which was kept \(empty side: 2, target is the source: 1\)"
    ):
        list(Cleaner(ALL)([("", "a"), ("a", ""), ("b", "b")]))
    with pytest.raises(DataError, match="got no pairs; expected at least one to keep; check the corpus or loosen"):
        list(Cleaner(ALL)([]))


def test_pairs_are_remembered_as_64_bits() -> None:
    cleaner = Cleaner(Cleaning())
    stream = cleaner((f"{n} " + "long text " * 20, f"{n}" * 40) for n in range(1000))
    for _ in range(999):
        next(stream)
    assert all(0 <= key < 2**64 for key in cleaner._seen)
    assert sys.getsizeof(cleaner._seen) + sum(map(sys.getsizeof, cleaner._seen)) < 120 * 1000
