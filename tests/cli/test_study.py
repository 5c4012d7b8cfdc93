"""``regard study``: a list, a page, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from regard import studies
from regard.studies.frame.study import Findings, Order, Picture, Study, Table


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """The orders that a study got which takes no time."""
    given: list[Order] = []

    def run(order: Order) -> Findings:
        given.append(order)
        table = Table("Shares", ("kind", "share"), [("counts", 12)])
        return Findings("It is so.", {"share": 12}, [table], [Picture("empty", Figure(), "Nothing.")], {})

    toy = Study("embedding", "A toy", "Is it so?", run, takes=("text",))
    monkeypatch.setattr(studies, "get", lambda name: toy)
    return given


def test_without_a_name_the_studies_are_listed(command):
    ended = command("study")
    assert ended.code == 0
    for name in studies.names():
        assert name in ended.out
        assert studies.get(name).question[:30] in ended.out


def test_a_study_writes_its_page_and_says_what_it_found(command, orders, tmp_path: Path):
    ended = command("study", "embedding", "--quick", "--seed", 3, "--text", "x.txt", "--out", tmp_path / "page")
    assert ended.code == 0
    assert "It is so." in ended.out
    assert "counts" in ended.out
    assert "Is it so?" in ended.err
    assert orders == [Order(quick=True, seed=3, text=Path("x.txt"))]
    assert {path.name for path in (tmp_path / "page").iterdir()} == {"index.html", "findings.json", "empty.png"}
    assert json.loads((tmp_path / "page" / "findings.json").read_text())["numbers"] == {"share": 12}


def test_the_folder_is_called_after_the_study(command, orders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert command("study", "embedding").code == 0
    assert (tmp_path / "study-embedding" / "index.html").is_file()


def test_an_earlier_page_is_replaced_only_when_asked(command, orders, refuses, tmp_path: Path):
    assert command("study", "embedding", "--out", tmp_path / "page").code == 0
    refuses("study", "embedding", "--out", tmp_path / "page", says="the findings of an earlier study")
    assert len(orders) == 1
    assert command("study", "embedding", "--out", tmp_path / "page", "--overwrite").code == 0


def test_what_does_not_suit_is_refused_before_any_work(command, orders, refuses, tmp_path: Path):
    refuses("study", "embedding", "--run", tmp_path, "--out", tmp_path / "page", says="--run: got one for the study")
    assert orders == []


def test_unknown_studies_and_missing_texts_are_refused(refuses, tmp_path: Path):
    refuses("study", "embeding", says="study: got 'embeding'; expected one of")
    refuses("study", "embedding", "--text", tmp_path / "no.txt", "--out", tmp_path / "page", says="no such file")
