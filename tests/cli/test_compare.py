"""``regard compare``: a row a run, tested against the first."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def test_set(toy: Path) -> tuple[object, ...]:
    return "--source", toy / "test.en", "--target", toy / "test.de", "--beam", "1"


@pytest.fixture
def twin(finished_run: Path, tmp_path: Path) -> Path:
    """The same model, of which nobody knows how long it was trained."""
    folder = Path(shutil.copytree(finished_run, tmp_path / "twin"))
    (folder / "metrics.jsonl").unlink()
    return folder


def test_rows_have_the_scores_of_evaluate_and_a_twin_is_no_better(command, finished_run, twin, test_set):
    ended = command("compare", finished_run, twin, *test_set, "--json")
    assert ended.code == 0
    first, second = json.loads(ended.out)
    alone = json.loads(command("evaluate", finished_run, *test_set, "--json").out)
    for row in (first, second):
        assert row["bleu"] == alone["bleu"]
        assert row["chrf"]["signature"] == alone["chrf"]["signature"]
        assert row["perplexity"] == pytest.approx(alone["perplexity"]["perplexity"])
        assert row["parameters"] > 1000
    assert (first["name"], second["name"]) == (str(finished_run), str(twin))
    assert (first["delta"], first["p_value"]) == (None, None)
    assert (second["delta"], second["p_value"]) == (0, 1)
    assert first["seconds"] > 0
    assert second["seconds"] is None


def test_people_see_a_table_and_a_chart(command, finished_run, twin, test_set, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    for name in ("chart.png", "chart.svg", "chart.pdf"):
        ended = command("compare", finished_run, twin, *test_set, "--out", tmp_path / name)
        assert ended.code == 0
        assert (tmp_path / name).stat().st_size > 2000
        if name == "chart.png":
            assert str(twin) in ended.out
            assert "±" in ended.out
            assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
