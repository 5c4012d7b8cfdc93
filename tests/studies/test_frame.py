from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from regard import studies
from regard.errors import RunError, SettingError
from regard.studies.frame.page import check_folder, write
from regard.studies.frame.study import OPTIONS, Findings, Order, Picture, Study, Table, with_caution


def findings() -> Findings:
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([1, 2])
    table = Table("T <1>", ("word", "share"), [("<script>alert(1)</script>", 12345), (None, "x")], "A note.")
    return Findings(
        "Yes, & surely.", {"share": 0.5}, [table], [Picture("line", figure, "A line.")], {"seed": 1}, ["N."]
    )


STUDY = Study("toy", "A toy", "Does it work?", lambda order: findings(), takes=("text",))


@pytest.mark.parametrize("name", studies.names())
def test_every_study_in_the_folder_says_what_it_is(name: str):
    study = studies.get(name)
    assert study.name == name
    assert study.question.endswith("?")
    assert study.title
    assert set(study.takes) <= set(OPTIONS)


def test_parts_are_no_studies():
    assert "embedding" in studies.names()
    assert {"frame", "word_vectors"}.isdisjoint(studies.names())


def test_a_study_that_is_not_there_is_refused():
    with pytest.raises(SettingError, match=r"^study: got 'lost'; expected one of .*embedding.*; use one of these"):
        studies.get("lost")


def test_an_option_that_a_study_has_no_use_for_is_refused():
    STUDY.check(Order(text=Path("x")))
    with pytest.raises(SettingError, match=r"^--run: got one for the study toy; expected --text; leave it out"):
        STUDY.check(Order(run=Path("x")))


class Tags(HTMLParser):
    """What a page loads and which tags it has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attributes if name in ("src", "href")]


def test_the_page_answers_its_question_shows_all_and_loads_nothing(tmp_path: Path):
    write(STUDY, findings(), tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    found = Tags(page)
    assert all(address.startswith("data:image/svg+xml;base64,") for address in found.loaded)
    assert len(found.loaded) == 1
    assert "script" not in found.tags
    assert not re.search(r"https?://", page)
    for text in ("Does it work?", "Yes, &amp; surely.", "A line.", "T &lt;1&gt;", "12,345", "A note.", "N.", "seed"):
        assert text in page
    assert (tmp_path / "out" / "line.png").read_bytes().startswith(b"\x89PNG")
    table = json.loads((tmp_path / "out" / "findings.json").read_text(encoding="utf-8"))
    assert (table["sentence"], table["numbers"], table["settings"]) == ("Yes, & surely.", {"share": 0.5}, {"seed": 1})


def test_the_same_findings_give_the_same_bytes(tmp_path: Path, tree):
    for name in ("one", "two"):
        write(STUDY, findings(), tmp_path / name)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_what_is_there_already_is_left_alone_unless_it_is_an_earlier_study(tmp_path: Path):
    write(STUDY, findings(), tmp_path)
    with pytest.raises(
        RunError, match=r"got the findings of an earlier study; expected a new or empty folder; add --over"
    ):
        write(STUDY, findings(), tmp_path)
    write(STUDY, findings(), tmp_path, overwrite=True)
    (tmp_path / "findings.json").unlink()
    with pytest.raises(RunError, match=r"got something that is no study's; .*; choose another folder"):
        check_folder(tmp_path, overwrite=True)
    with pytest.raises(RunError, match=r"got something that is no study's"):
        check_folder(tmp_path / "index.html", overwrite=False)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(RunError, match=r"expected a folder to write to; choose another folder"):
        write(STUDY, findings(), tmp_path / "file" / "out")


def test_findings_of_one_seed_say_what_they_are_sure_of():
    trained = replace(findings(), settings={"seeds": "1"})
    assert "One seed" in with_caution(trained, Order(quick=True)).notes[-1]
    assert with_caution(trained, Order(repeats=3)) == trained
    assert with_caution(findings(), Order(quick=True)).notes == ["N."]  # nothing that depends on seeds
