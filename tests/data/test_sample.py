"""The built-in data against German written by hand, against the laws of its grammar, and against its own promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from regard.data.builtin import sample
from regard.data.builtin.sample import Pair, Puzzle, locate, pronoun_accuracy, split_of, splits, words, write
from regard.errors import DataError


def listed(text: str) -> list[str]:
    return text.split()


# by hand, not from the lexicon
MASCULINE = listed("dog bird fox donkey bear river ditch hill forest garden park tunnel path")
FEMININE = listed("cat cow goat duck mouse street bridge meadow cave kitchen barn staircase gorge")
NEUTER = listed("horse camel pig rabbit chicken field valley house room village roof boat moor")
PRONOUN = {noun: word for nouns, word in ((MASCULINE, "er"), (FEMININE, "sie"), (NEUTER, "es")) for noun in nouns}
ANIMALS = listed("dog bird fox donkey bear cat cow goat duck mouse horse camel pig rabbit chicken")
PLACES = [noun for noun in PRONOUN if noun not in ANIMALS]
PERSONS = listed("man boy farmer woman aunt child girl")
THINGS = listed("ball letter coat key door lamp cup bag book window picture shirt")
PLURALS = {"mice": "mouse", "foxes": "fox", "men": "man", "women": "woman", "children": "child"}
PLURALS |= {noun + "s": noun for noun in ANIMALS + PERSONS}
OF_ANIMALS = listed("tired hungry thirsty lazy sick afraid nervous shy sleepy stubborn young")
OF_PLACES = listed("wide deep steep busy narrow long high crowded slippery remote rocky bumpy swampy rotten")


@pytest.fixture(scope="module")
def data() -> dict[str, list[Pair]]:
    return splits(1)


@pytest.fixture(scope="module")
def everything(data: dict[str, list[Pair]]) -> list[Pair]:
    return [pair for pairs in data.values() for pair in pairs]


def nouns(sentence: str) -> list[str]:
    singular = [PLURALS.get(word.lower(), word.lower()) for word in words(sentence)]
    return [word for word in singular if word in PRONOUN or word in PERSONS + THINGS]


def noun_pairs(pairs: list[Pair]) -> set[frozenset[str]]:
    return {frozenset(two) for pair in pairs for two in combinations(nouns(pair.english), 2)}


def test_the_splits_have_their_sizes_and_enough_puzzles(data: dict[str, list[Pair]]) -> None:
    assert {split: len(pairs) for split, pairs in data.items()} == {"train": 10_000, "valid": 200, "test": 500}
    puzzles = {split: sum(pair.puzzle is not None for pair in pairs) for split, pairs in data.items()}
    assert puzzles["test"] >= 250
    assert 0.4 <= puzzles["train"] / 10_000 <= 0.5


def test_no_sentence_occurs_twice(everything: list[Pair]) -> None:
    assert len({pair.english for pair in everything}) == len(everything)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_every_held_out_sentence_has_two_nouns_that_training_never_joined(
    data: dict[str, list[Pair]], split: str
) -> None:
    seen = noun_pairs(data["train"])
    for pair in data[split]:
        assert noun_pairs([pair]) - seen, pair.english
    assert not {pair.german for pair in data[split]} & {pair.german for pair in data["train"]}


def test_the_nouns_of_a_test_puzzle_never_met_in_training(data: dict[str, list[Pair]]) -> None:
    seen = noun_pairs(data["train"])
    puzzles = [pair.puzzle for pair in data["test"] if pair.puzzle]
    assert not {frozenset((one.right, one.wrong)) for one in puzzles} & seen


def test_the_split_of_a_pair_of_nouns_is_the_same_for_every_seed(data: dict[str, list[Pair]]) -> None:
    other = splits(2)
    assert other["test"] != data["test"]
    test = {pair.puzzle for pair in data["test"]} - {None}
    assert not {frozenset((one.right, one.wrong)) for one in test if one} & noun_pairs(other["train"])
    assert split_of(["dog", "street"]) == split_of(["street", "dog"])
    assert split_of(["dog"]) == "train"


def test_every_word_of_the_test_was_seen_in_training(data: dict[str, list[Pair]]) -> None:
    for side in ("english", "german"):
        known = {word for pair in data["train"] for word in words(getattr(pair, side))}
        for split in ("valid", "test"):
            assert {word for pair in data[split] for word in words(getattr(pair, side))} <= known


def test_the_same_seed_gives_the_same_data_in_every_process(data: dict[str, list[Pair]]) -> None:
    code = "from regard.data.builtin.sample import splits; print(ascii(splits(1)))"
    for_other_hashes = {**os.environ, "PYTHONPATH": "src", "PYTHONHASHSEED": "7"}
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code]
    there = subprocess.run(command, env=for_other_hashes, cwd=root, capture_output=True, check=True)
    assert there.stdout.decode().strip() == ascii(data)


def test_a_puzzles_pronoun_has_the_gender_of_what_its_adjective_suits(everything: list[Pair]) -> None:
    puzzles = [pair for pair in everything if pair.puzzle]
    for pair in puzzles:
        animal, place = nouns(pair.english)
        assert animal in ANIMALS, pair.english
        assert place in PLACES, pair.english
        adjective = words(pair.english)[-1]
        assert (adjective in OF_ANIMALS) != (adjective in OF_PLACES)
        right, wrong = (animal, place) if adjective in OF_ANIMALS else (place, animal)
        assert PRONOUN[right] != PRONOUN[wrong], "the genders decide"
        antecedent = "animal" if right is animal else "place"
        assert pair.puzzle == Puzzle(antecedent, PRONOUN[right], right, wrong)
        assert re.search(rf", weil {PRONOUN[right]} (zu|sehr) \w+ (war|ist)\.$", pair.german), pair.german
    assert {pair.puzzle.pronoun for pair in puzzles if pair.puzzle} == {"er", "sie", "es"}


def test_each_pronoun_and_each_antecedent_is_the_answer_about_equally_often(data: dict[str, list[Pair]]) -> None:
    puzzles = [pair.puzzle for pair in data["train"] if pair.puzzle]
    for pronoun in ("er", "sie", "es"):
        for antecedent in ("animal", "place"):
            share = sum((one.pronoun, one.antecedent) == (pronoun, antecedent) for one in puzzles) / len(puzzles)
            assert share == pytest.approx(1 / 6, abs=0.04), (pronoun, antecedent)


def test_the_words_of_a_puzzle_are_found_where_they_stand(everything: list[Pair]) -> None:
    puzzle = Puzzle("place", "sie", "street", "dog")
    pair = Pair("The dog did not cross the street because it was too wide.", "…", puzzle)
    spans = locate(pair)
    assert (spans.it, spans.right, spans.wrong) == ((41, 43), (26, 32), (4, 7))
    for one in everything:
        if one.puzzle:
            found = locate(one)
            assert one.english[slice(*found.it)] == "it"
            assert one.english[slice(*found.right)] == one.puzzle.right
            assert one.english[slice(*found.wrong)] == one.puzzle.wrong


def test_locating_says_what_it_cannot_find() -> None:
    with pytest.raises(DataError, match=r"'It rains\.': got no puzzle; expected a pair with a puzzle; skip it\."):
        locate(Pair("It rains.", "Es regnet."))
    twice = Pair("The dog sees the dog by the street and it waits.", "…", Puzzle("animal", "er", "dog", "street"))
    with pytest.raises(DataError, match=r"got 2 times 'dog'; expected it once; give the pair's own sentence\."):
        locate(twice)


TIRED = Pair("The dog … because it was too tired.", "…", Puzzle("animal", "er", "dog", "street"))
WIDE = Pair("The dog … because it was too wide.", "…", Puzzle("place", "sie", "street", "dog"))
PLAIN = Pair("The dog sleeps.", "Der Hund schläft.")


@pytest.mark.parametrize(
    ("pair", "translation", "right"),
    [
        (TIRED, "Der Hund überquerte die Straße nicht, weil er zu müde war.", True),
        (TIRED, "Der Hund überquerte die Straße nicht , weil er zu müde war .", True),
        (WIDE, "Der Hund überquerte die Straße nicht, weil sie zu breit war.", True),
        (WIDE, "Der Hund überquerte die Straße nicht, weil er zu breit war.", False),
        (TIRED, "Er überquerte die Straße nicht, weil sie zu müde war.", False),
        (TIRED, "Der Hund überquerte die Straße nicht, weil der Hund zu müde war, sagt er.", False),
        (TIRED, "Der Hund überquerte die Straße nicht, weil zu müde er war.", False),
        (TIRED, "Der Hund, weil er, weil sie zu müde war.", False),
        (TIRED, "Der Hund, dass er zu müde war.", False),
        (TIRED, "Der Hund, weil erst müde war.", False),
        (TIRED, "Der Hund, weil", False),
        (TIRED, "", False),
    ],
)
def test_only_the_subject_of_the_weil_clause_counts(pair: Pair, translation: str, right: bool) -> None:
    assert pronoun_accuracy([pair], [translation]) == float(right)


def test_accuracy_is_the_share_of_the_puzzles_alone() -> None:
    translations = ["…, weil er müde war.", "…, weil er breit war.", "…, weil es müde war.", "…, weil sie schläft."]
    assert pronoun_accuracy([TIRED, WIDE, TIRED, PLAIN], translations) == pytest.approx(1 / 3)


def test_accuracy_needs_a_translation_for_each_pair_and_a_puzzle() -> None:
    with pytest.raises(DataError, match="translations: got 1; expected 2, one for each pair; translate all"):
        pronoun_accuracy([TIRED, WIDE], ["…, weil er müde war."])
    with pytest.raises(DataError, match="pairs: got no puzzle; expected at least one pair with a puzzle"):
        pronoun_accuracy([PLAIN], ["Der Hund schläft."])


def test_writing_gives_six_parallel_files(tmp_path: Path, data: dict[str, list[Pair]]) -> None:
    write(tmp_path / "new" / "corpus")
    names = sorted(path.name for path in (tmp_path / "new" / "corpus").iterdir())
    assert names == ["test.de", "test.en", "train.de", "train.en", "valid.de", "valid.en"]
    for split, pairs in data.items():
        for ending, side in (("en", "english"), ("de", "german")):
            raw = (tmp_path / "new" / "corpus" / f"{split}.{ending}").read_bytes()
            assert raw.decode("utf-8").split("\n") == [getattr(pair, side) for pair in pairs] + [""]
            assert b"\r" not in raw


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing without drawing ten thousand sentences first."""
    pairs = {split: [PLAIN] for split in ("train", "valid", "test")}
    monkeypatch.setattr(sample, "splits", lambda seed: pairs)


@pytest.mark.usefixtures("few")
def test_writing_twice_is_fine_and_writing_over_other_text_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path)
    (tmp_path / "valid.de").write_text("Mein eigener Text.\n", encoding="utf-8")
    (tmp_path / "test.en").unlink()
    with pytest.raises(DataError, match=r"valid\.de: got other text already there; expected a folder without it"):
        write(tmp_path)
    assert (tmp_path / "valid.de").read_text(encoding="utf-8") == "Mein eigener Text.\n"
    assert not (tmp_path / "test.en").exists()


@pytest.mark.usefixtures("few")
def test_writing_where_no_folder_can_be_is_an_error_for_the_user(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text", encoding="utf-8")
    with pytest.raises(DataError, match=r"file: got .*; expected a folder to write to; choose another folder\."):
        write(tmp_path / "file")
