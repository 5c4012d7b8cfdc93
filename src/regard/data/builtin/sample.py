"""The built-in demonstration data: English sentences with their German translations, written by a grammar of our own.

About half are pronoun puzzles. "The dog did not cross the street because it was too tired." speaks of the dog (der
Hund, so "er"); with "too wide" it speaks of the street (die Straße, so "sie"). The adjective says what "it" is, and the
gender of that noun says how to translate it.

The split is a pure function of the pairs of nouns in a sentence (``split_of``): a pair such as dog and street is for
training, validation or testing, whatever the seed. A sentence with a test pair is for testing, else one with a
validation pair for validation, else it is for training. So the two nouns of a test puzzle were never seen together in
a sentence of the training data, though every word was.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

from regard.data.builtin.constructions import SHARES, Construction, Sentence, puzzle, quality
from regard.data.builtin.draw import Draw
from regard.data.builtin.lexicon import PRONOUNS
from regard.errors import DataError

SIZES = {"train": 10_000, "valid": 200, "test": 500}
_PERCENT = {"test": 20, "valid": 10}  # of the pairs of nouns; the rest is for training
_LANGUAGES = {"en": "english", "de": "german"}


@dataclass(frozen=True)
class Puzzle:
    """What "it" is: ``right`` and ``wrong`` are the two nouns as they stand in the English sentence."""

    antecedent: str  # "animal" or "place"
    pronoun: str  # "er", "sie" or "es"
    right: str
    wrong: str


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation; ``puzzle`` only where the two nouns differ in gender, so that German decides."""

    english: str
    german: str
    puzzle: Puzzle | None = None


@dataclass(frozen=True)
class Spans:
    """Where a puzzle's words stand in the English sentence: (start, end) in characters, end excluded."""

    it: tuple[int, int]
    right: tuple[int, int]
    wrong: tuple[int, int]


def split_of(nouns: Sequence[str]) -> str:
    """The split that a sentence with these English nouns belongs to: "train", "valid" or "test".

    Each pair of nouns is hashed (SHA-256 of the two in alphabetical order, modulo 100): below 20 it is held out for the
    test, below 30 for validation. Fewer than two nouns are no pair, hence for training.
    """
    found = {_split_of_pair(" ".join(sorted(pair))) for pair in combinations(nouns, 2)}
    return next((split for split in ("test", "valid") if split in found), "train")


@cache
def _split_of_pair(pair: str) -> str:
    number = int.from_bytes(hashlib.sha256(pair.encode()).digest()[:8], "big") % 100
    if number < _PERCENT["test"]:
        return "test"
    return "valid" if number < _PERCENT["test"] + _PERCENT["valid"] else "train"


def splits(seed: int = 1) -> dict[str, list[Pair]]:
    """10,000 pairs for training, 200 for validation, 500 for testing; the same ones for the same seed.

    No sentence occurs twice, and every word of ``valid`` and ``test`` occurs in ``train``.
    """
    draw = Draw(seed)
    train = _draw_split("train", draw, known=None)
    known = {word for pair in train for word in words(pair.english) + words(pair.german)}
    return {"train": train, **{split: _draw_split(split, draw, known) for split in ("valid", "test")}}


def _draw_split(split: str, draw: Draw, known: set[str] | None) -> list[Pair]:
    pairs: dict[str, Pair] = {}
    for construction in _schedule(split, draw):
        while True:
            sentence = construction(draw)
            if split_of(sentence.nouns) != split or sentence.english in pairs:
                continue
            if known is None:
                break
            decided = construction is not puzzle or _puzzle(sentence) is not None
            if decided and known.issuperset(words(sentence.english) + words(sentence.german)):
                break
        pairs[sentence.english] = Pair(sentence.english, sentence.german, _puzzle(sentence))
    return list(pairs.values())


def _schedule(split: str, draw: Draw) -> list[Construction]:
    """As many of each construction as its share says, in random order. Only training has sentences with one noun."""
    shares = {one: share for one, share in SHARES.items() if split == "train" or one is not quality}
    counts = {one: SIZES[split] * share // sum(shares.values()) for one, share in shares.items()}
    counts[puzzle] += SIZES[split] - sum(counts.values())
    schedule = [one for one, count in counts.items() for _ in range(count)]
    return draw.shuffled(schedule)


def _puzzle(sentence: Sentence) -> Puzzle | None:
    if sentence.puzzle is None:
        return None
    animal, place, antecedent = sentence.puzzle
    if animal.gender == place.gender:
        return None
    right, wrong = (animal, place) if antecedent == "animal" else (place, animal)
    return Puzzle(antecedent, PRONOUNS[right.gender], right.english, wrong.english)


def words(text: str) -> list[str]:
    """The words of a sentence, without punctuation, as they are written."""
    return re.findall(r"\w+", text)


def locate(pair: Pair) -> Spans:
    """Where "it" and the two nouns stand in the English sentence of a puzzle.

    Raises DataError where the pair is no puzzle or one of the words does not occur exactly once.
    """
    if pair.puzzle is None:
        raise DataError.because(repr(pair.english), "no puzzle", "a pair with a puzzle", "skip it")
    return Spans(*(_span(pair.english, word) for word in ("it", pair.puzzle.right, pair.puzzle.wrong)))


def _span(text: str, word: str) -> tuple[int, int]:
    found = [match.span() for match in re.finditer(rf"\b{re.escape(word)}\b", text)]
    if len(found) != 1:
        raise DataError.because(repr(text), f"{len(found)} times {word!r}", "it once", "give the pair's own sentence")
    return found[0]


def twins(pairs: Sequence[Pair]) -> tuple[Pair, Pair]:
    """The shortest two puzzles about the same animal and place, in one of which "it" is the animal."""
    animals, places = (
        {(one.puzzle.right, one.puzzle.wrong): one for one in pairs if one.puzzle and one.puzzle.antecedent == kind}
        for kind in ("animal", "place")
    )
    both = [(one, places[place, animal]) for (animal, place), one in animals.items() if (place, animal) in places]
    return min(both, key=lambda two: len(two[0].english) + len(two[1].english))


def pronoun_accuracy(pairs: Sequence[Pair], translations: Sequence[str]) -> float:
    """The share of puzzles (0 to 1) whose translation calls "it" by the right pronoun.

    Right means: the translation has exactly one "weil", and the word straight after it, which in German is where a
    pronoun that is the subject stands, is the puzzle's er, sie or es. Pronouns elsewhere do not count, nor do pairs
    without a puzzle. Raises DataError where there is not one translation for each pair, or no puzzle at all.
    """
    if len(pairs) != len(translations):
        raise DataError.because("translations", len(translations), f"{len(pairs)}, one for each pair", "translate all")
    scored = [(one.puzzle, text) for one, text in zip(pairs, translations, strict=True) if one.puzzle]
    if not scored:
        raise DataError.because("pairs", "no puzzle", "at least one pair with a puzzle", "use the built-in test set")
    return sum(_subject_after_weil(text) == one.pronoun for one, text in scored) / len(scored)


def _subject_after_weil(translation: str) -> str | None:
    found = words(translation)
    if found.count("weil") != 1 or found[-1] == "weil":
        return None
    return found[found.index("weil") + 1]


def write(folder: Path, seed: int = 1) -> None:
    """Write ``train|valid|test.en|de`` into the folder (made if missing): UTF-8, one sentence a line.

    Raises DataError, before anything is written, where one of the files exists with other text in it.
    """
    texts = {
        folder / f"{split}.{ending}": "".join(getattr(pair, language) + "\n" for pair in pairs).encode()
        for split, pairs in splits(seed).items()
        for ending, language in _LANGUAGES.items()
    }
    for path, text in texts.items():
        if path.exists() and (not path.is_file() or path.read_bytes() != text):
            raise DataError.because(path, "other text already there", "a folder without it", "choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_bytes(text)
    except OSError as error:
        raise DataError.because(folder, error.strerror, "a folder to write to", "choose another folder") from error
