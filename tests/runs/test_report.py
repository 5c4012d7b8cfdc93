from __future__ import annotations

import base64
import dataclasses
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from regard.data.clean import Cleaner, Cleaning
from regard.errors import RunError
from regard.evaluation.translation import score
from regard.looking.figures import schedule
from regard.runs.reporting.markup import as_html, escaped
from regard.runs.reporting.report import write_report
from regard.runs.reporting.wording import duration, name_of, number

VOID = {"meta", "img", "br"}
HARMLESS = {
    *VOID, "html", "head", "title", "style", "body", "header", "main", "nav", "footer", "section", "h1", "h2", "p", "a",
    "div", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "details", "summary",
    "pre", "code", "bdi", "span",
}  # fmt: skip
PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><b>x</b>",
    "</title><b>x</b>",
    "</pre></code><iframe src=javascript:alert(1)>",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; &#60;i&#62;",
    "$title ${style} $sections $$ {{7*7}} {% x %} %s {0}",
    "<!-- --><![CDATA[ ]]>",
    "القطة 고양이 \U0001f600",
]
METRICS = [
    {"step": 10, "epoch": 0, "seconds": 60.0, "loss": 5.0, "tokens_per_second": 900.0, "memory_mib": 400.0},
    {"step": 20, "epoch": 0, "seconds": 130.0, "loss": 4.0, "tokens_per_second": 1100.0, "memory_mib": 512.5},
    {"step": 20, "seconds": 150.0, "valid_loss": 3.25, "valid_perplexity": 25.79, "valid_bleu": 12.5},
]
SCORES = score(["the dog sees the cat"] * 3 + ["x"], ["the dog sees the cat"] * 4, bootstrap=100).to_dict()


class Page(HTMLParser):
    """What a browser makes of a page: tags that open and close, attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page_of(path: Path, **changes: Any) -> tuple[str, Page]:
    arguments: dict[str, Any] = {
        "title": "de-en",
        "settings_toml": "[model]\nheads = 8\n",
        "metrics": METRICS,
        "scores": SCORES,
        "samples": [("Ein Hund.", "A dog.", "A dog."), ("Eine Katze.", "A cat.", "A hat.")],
        "facts": {"parameters": 8998144, "data": {"training_pairs": 29000}},
        "figures": {"The learning rate": schedule([0.1, 0.2])},
    }
    write_report(path / "report.html", **{**arguments, **changes})
    html = (path / "report.html").read_text(encoding="utf-8")
    return html, Page(html)


def test_the_page_shows_scores_with_interval_and_signature_translations_facts_and_settings(tmp_path: Path):
    html, page = page_of(tmp_path)
    for text in (
        "76.63",
        SCORES["bleu"]["signature"],
        "Eine Katze.",
        "A hat.",
        "8,998,144",
        "29,000",
        "[model]\nheads = 8\n",
    ):
        assert text in page.texts
    assert any(re.fullmatch(r"\d+\.\d\d ± \d+\.\d\d", text) for text in page.texts)
    assert re.findall("<h2>(.*?)</h2>", html) == ["Scores", "Learning", "Translations", "Pictures", "Data", "Settings"]
    assert page.texts.count("✓") == 1  # one translation is the reference
    assert html.startswith("<!doctype html>")


def test_the_page_tells_steps_time_speed_memory_and_validations(tmp_path: Path):
    _, page = page_of(tmp_path)
    tiles = dict(zip(page.texts, page.texts[1:], strict=False))
    assert (tiles["Steps"], tiles["Time"]) == ("20", "2.5 min")
    assert (tiles["Median speed"], tiles["Most memory"]) == ("1,100 tokens/s", "512 MiB")
    assert {"Valid loss", "Valid perplexity", "Valid BLEU", "3.25", "25.79", "12.5"} <= set(page.texts)


def test_seconds_among_the_facts_are_the_time(tmp_path: Path):
    _, page = page_of(tmp_path, metrics=[], facts={"seconds": 9000.0, "seed": None})
    tiles = dict(zip(page.texts, page.texts[1:], strict=False))
    assert tiles["Time"] == "2.5 h"
    assert "Seconds" not in page.texts[: page.texts.index("Scores")]
    assert "Seed" not in page.texts


@pytest.mark.parametrize("payload", PAYLOADS)
def test_whatever_users_write_is_shown_as_text_and_does_nothing(payload: str, tmp_path: Path):
    scores = {"bleu": {**SCORES["bleu"], "name": payload, "signature": payload}, payload: 1.0, "notes": [payload]}
    facts = {payload: payload, "nested": {payload: payload, "list": [payload, [payload]], "rows": [{payload: payload}]}}
    html, page = page_of(
        tmp_path,
        title=payload,
        metrics=[],
        settings_toml=payload,
        scores=scores,
        samples=[(payload, payload, payload)],
        facts=facts,
        figures={payload: schedule([1.0])},
    )
    assert set(page.tags) <= HARMLESS
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert (
        sum(text in (payload, name_of(payload)) for text in page.texts) >= 15
    )  # in every place where a text can stand
    assert ("alt", payload) in page.attributes
    assert "<script" not in html


def test_the_page_needs_no_network(tmp_path: Path):
    html, page = page_of(tmp_path)
    assert ("content", "default-src 'none'; img-src data:; style-src 'unsafe-inline'") in page.attributes
    for name, value in page.attributes:
        if name == "src":
            assert value.startswith("data:image/svg+xml;base64,")
        if name == "href":
            assert value.startswith("#s")
    assert not re.search(r"https?://|@import|url\(", re.sub(r'src="data:[^"]*"', "", html))


def test_links_lead_to_sections(tmp_path: Path):
    _, page = page_of(tmp_path, figures={"a": schedule([1.0])})
    targets = {value for name, value in page.attributes if name == "id"}
    links = {value[1:] for name, value in page.attributes if name == "href"}
    assert links == targets
    assert len(links) == 6


def test_pictures_are_whole_svgs_that_follow_light_and_dark(tmp_path: Path):
    html, page = page_of(tmp_path)
    pictures = [value.partition(",")[2] for name, value in page.attributes if name == "src"]
    assert len(pictures) == 2  # the learning curve, and the one handed in
    for picture in pictures:
        svg = base64.b64decode(picture).decode("utf-8")
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert "prefers-color-scheme" in svg
    assert "prefers-color-scheme: dark" in html


def test_what_is_not_there_has_no_section(tmp_path: Path):
    html, page = page_of(tmp_path, metrics=[], scores=None, samples=[], facts={}, figures={}, settings_toml="")
    assert "<section" not in html
    assert "img" not in page.tags


def test_scores_without_interval_and_records_without_training_are_shown(tmp_path: Path):
    scores = score(["a b c d"], ["a b c d"], bootstrap=0).to_dict()
    _, page = page_of(tmp_path, scores=scores, metrics=METRICS[2:])
    assert "100.00" in page.texts
    assert not [text for text in page.texts if "±" in text]
    assert "Steps" not in page.texts


def test_the_same_run_gives_the_same_bytes(tmp_path: Path):
    (tmp_path / "again").mkdir()
    assert page_of(tmp_path)[0] == page_of(tmp_path / "again")[0]


def test_a_cleaning_report_is_a_table_with_examples(tmp_path: Path):
    cleaner = Cleaner(Cleaning())
    list(cleaner([("a b", "c d"), ("", "<b>left out</b>"), ("a b", "c d")]))
    _, page = page_of(tmp_path, facts={"cleaning": cleaner.report})
    assert {"read", "kept", "Cleaning", "<b>left out</b>", "Examples of what was left out (2)"} <= set(page.texts)
    nothing_dropped = Cleaner(Cleaning())
    list(nothing_dropped([("a", "b")]))
    assert "Examples" not in page_of(tmp_path, metrics=[], figures={}, facts={"cleaning": nothing_dropped.report})[0]


def test_an_old_report_survives_where_the_new_one_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page_of(tmp_path, metrics=[])
    before = (tmp_path / "report.html").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunError, match=r"report\.html: got No space left on device; expected a file to write to"):
        page_of(tmp_path, title="other", metrics=[])
    assert (tmp_path / "report.html").read_bytes() == before


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(RunError, match=r"absent.report\.html: got No such file or directory; expected a file"):
        page_of(tmp_path / "absent", metrics=[], figures={})


def test_long_texts_are_cut_and_say_so_but_settings_are_whole():
    assert escaped("x" * 3000).endswith("x… (3,000 characters)")
    assert len(escaped("x" * 3000)) < 2050
    assert escaped("x" * 3000, 10**6) == "x" * 3000


def test_characters_that_turn_the_line_around_are_code_points_and_lines_stay():
    assert escaped("a\u202ecba\nd\te\x00") == "aU+202Ecba\nd\teU+0000"


@dataclasses.dataclass
class Pair:
    width: int
    names: tuple[str, ...]


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (12345, ["12,345"]),
        (0.123456, ["0.1235"]),
        (True, ["yes"]),
        (None, ["–"]),
        ([], ["none"]),
        ({}, ["none"]),
        (["a", 1], ["a", "1"]),
        ({"d_model": 512, "valid_bleu": 3.5}, ["d_model", "512", "Valid BLEU", "3.5"]),
        (Pair(3, ("a", "b")), ["Width", "3", "Names", "a", "b"]),
        ([{"a": 1, "b": 2}, {"b": 3, "c": 4}], ["A", "B", "C", "1", "2", "–", "–", "3", "4"]),
        ([("x", 1), ("y", 2)], ["x", "1", "y", "2"]),
    ],
)
def test_plain_values_become_tables_and_lines(value: Mapping[str, Any], texts: list[str]):
    assert Page(as_html(value)).texts == texts


def test_numbers_times_and_keys_in_words():
    assert [number(value) for value in (1234567, 1234567.8, 0.5, 99.994, float("nan"))] == [
        "1,234,567",
        "1,234,568",
        "0.5",
        "99.99",
        "nan",
    ]
    assert [duration(value) for value in (4.4, 119, 120, 7199, 7200)] == [
        "4 s",
        "119 s",
        "2.0 min",
        "120.0 min",
        "2.0 h",
    ]
    keys = ("training_pairs", "bleu", "bleu_by_length", "d_ff", "Own Name", "most_memory_mib")
    assert [name_of(key) for key in keys] == [
        "Training pairs",
        "BLEU",
        "BLEU by length",
        "d_ff",
        "Own Name",
        "Most memory MiB",
    ]
