"""Whether a test was trained on: counted against all pairs of rows, refused above a tenth, told above a hundredth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from regard.data.store import write_store
from regard.errors import SettingError
from regard.runs.folder import load
from regard.runs.measure_texts import Columns
from regard.runs.trained_on import Overlap, _overlap, pairs_trained_on, refuse_leak, rows_trained_on


class Letters:
    """Each letter is a token."""

    size = 70_000  # ids of four bytes

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [[ord(letter) for letter in text] for text in texts]


def test_rows_are_counted_that_are_equal_in_all_columns(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)

    def texts(count: int) -> list[tuple[str, str]]:
        return [tuple("".join(draw.choice(list("ab"), draw.integers(1, 4))) for _ in range(2)) for _ in range(count)]

    train, test = texts(60), texts(80)
    letters = Letters()
    store = write_store(tmp_path / "train", train, letters, letters)
    columns = {
        name: letters.encode_batch(list(side))
        for name, side in zip(("source", "target"), zip(*test, strict=True), strict=True)
    }
    both = [number for number, pair in enumerate(test, start=1) if pair in set(train)]
    assert 5 < len(both) < 75
    assert _overlap(store, columns) == Overlap(len(both), 80, both[0])
    sources = {source for source, _ in train}
    one = [number for number, (source, _) in enumerate(test, start=1) if source in sources]
    assert _overlap(store, {"source": columns["source"]}) == Overlap(len(one), 80, one[0])
    assert _overlap(store, {"source": [[1]], "target": [[1]]}) == Overlap(0, 1, 0)
    assert _overlap(store, {"text": [[1]]}) is None
    assert _overlap(None, columns) is None


@pytest.mark.parametrize(
    ("count", "allowed", "told"), [(1, False, False), (2, False, True), (10, False, True), (30, True, True)]
)
def test_a_leak_is_told_above_a_hundredth(count: int, allowed: bool, told: bool) -> None:
    warning = refuse_leak("--source", Overlap(count, 100, 7), "runs/a", allowed=allowed)
    assert (warning is not None) == told
    if warning:
        first = f"Warning: --source has {count} of 100 examples that runs/a was trained on, the first being number 7."
        assert warning == first + " The scores are too good."


def test_a_leak_is_refused_above_a_tenth() -> None:
    with pytest.raises(
        SettingError, match="11 of 100 examples that runs/a was trained on, the first being number 7; expected"
    ):
        refuse_leak("--source", Overlap(11, 100, 7), "runs/a", allowed=False)
    assert refuse_leak("--source", None, "runs/a", allowed=False) is None


def test_evaluate_gives_no_score_for_what_was_trained_on(command, finished_run, toy, tmp_path) -> None:
    test, train = ([(toy / f"{split}.{side}").read_text("utf-8").splitlines() for side in ("en", "de")]
                   for split in ("test", "train"))  # fmt: skip
    for number, side in enumerate(("en", "de")):
        mixed = [*test[number], *train[number][50:60]]
        (tmp_path / f"mixed.{side}").write_text("\n".join(mixed) + "\n", encoding="utf-8")
    words = ["evaluate", finished_run, "--source", tmp_path / "mixed.en", "--target", tmp_path / "mixed.de", "--json"]
    ended = command(*words)
    assert ended.code == 2
    assert "expected a test with at most 10% of such; use another test, or add --allow-leak to" in ended.err
    fresh = len(test[0])
    assert f"--source: got 10 of {fresh + 10} examples that " in ended.err
    assert f"the first being number {fresh + 1};" in ended.err
    ended = command(*words, "--allow-leak")
    assert ended.code == 0, ended.err
    assert "The scores are too good." in ended.err
    clean = command("evaluate", finished_run, "--source", toy / "test.en", "--target", toy / "test.de", "--json")
    assert clean.code == 0
    assert "too good" not in clean.err


def test_a_model_without_its_training_data_is_scored(finished_run, toy, tmp_path) -> None:
    import shutil

    folder = shutil.copytree(finished_run, tmp_path / "run", ignore=shutil.ignore_patterns("data"))
    assert pairs_trained_on(load(folder), toy / "train.en", toy / "train.de") is None
    found = pairs_trained_on(load(finished_run), toy / "train.en", toy / "train.de")
    assert found is not None
    assert found.share > 0.5


def test_texts_of_a_table_are_compared_whatever_their_labels(given, trained, tmp_path) -> None:
    table = given("labelled", "family=bert", "train.steps=1")
    trained(tmp_path / "run", table)
    rows = Path(table["data"]["text"]).read_text(encoding="utf-8").splitlines()
    head, first, second = rows[0], rows[2], rows[4]
    cells = [row.split("\t") for row in (first, second)]
    other = ["something that nobody said", *cells[0][1:]]
    changed = [*cells[1][:-1], cells[0][-1]]
    path = tmp_path / "test.tsv"
    path.write_text("\n".join([head, *("\t".join(row) for row in (other, cells[0], changed))]) + "\n", encoding="utf-8")
    assert rows_trained_on(load(tmp_path / "run"), path, Columns()) == Overlap(2, 3, 2)
