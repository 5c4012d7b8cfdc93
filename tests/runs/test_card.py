from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from regard.errors import RunError
from regard.evaluation.translation import score
from regard.runs.reporting.card import LIMITS, write_card

SCORES = score(["the dog sees the cat"] * 3 + ["x"], ["the dog sees the cat"] * 4, bootstrap=100).to_dict()
FACTS: dict[str, Any] = {
    "name": "de-en",
    "languages": ["de", "en"],
    "license": "cc-by-4.0",
    "library_name": "transformers",
    "test_set": "test_2016",
    "scores": {**SCORES, "pronoun_accuracy": 0.995},
    "parameters": 8998144,
    "source_file": "/data/secret/train.de",
    "seconds": 812.4,
    "seed": None,
    "data": {"training_pairs": 29000, "files": ["train.de", "train.en"], "checked": True},
}


class Texts(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def card_of(path: Path, facts: dict[str, Any]) -> tuple[str, dict[str, Any], Texts]:
    """The file, its front matter as YAML reads it, and its text as a Markdown renderer shows it."""
    write_card(path / "README.md", facts)
    text = (path / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    return text, yaml.safe_load(front), Texts(MarkdownIt("commonmark").enable("table").render(body))


def test_a_model_hub_reads_the_card(tmp_path: Path):
    card_of(tmp_path, FACTS)
    data = ModelCard.load(tmp_path / "README.md", ignore_metadata_errors=False).data
    assert data.language == ["de", "en"]
    assert (data.license, data.library_name, data.pipeline_tag) == ("cc-by-4.0", "transformers", "translation")
    assert data.model_name == "de-en"
    found = {result.metric_type: (result.dataset_name, result.metric_value) for result in data.eval_results}
    assert found == {key: ("test_2016", round(SCORES[key]["score"], 2)) for key in ("bleu", "chrf", "ter")}


def test_the_card_tells_data_size_time_scores_signatures_and_limits(tmp_path: Path):
    _, _, page = card_of(tmp_path, FACTS)
    for text in (
        "8,998,144",
        "29,000",
        "train.de, train.en",
        "13.5 min",
        "76.63",
        "Test set: test_2016",
        "0.995",
        *LIMITS,
    ):
        assert text in page.texts
    signatures = next(text for text in page.texts if text.startswith("BLEU|"))
    assert signatures.splitlines() == [
        f"{SCORES[key]['name']}|{SCORES[key]['signature']}" for key in ("bleu", "chrf", "ter")
    ]
    assert "table" in page.tags


def test_the_card_says_how_to_translate_and_how_to_repeat(tmp_path: Path):
    text, _, page = card_of(tmp_path, {"name": "my run"})
    assert "regard translate 'my run' input.txt > output.txt" in page.texts
    assert "regard train 'my run'/recipe.toml --out 'my run-again'" in page.texts
    _, _, page = card_of(tmp_path, {"name": "x", "commands": {"sing": "regard sing ``` x"}})
    assert "Sing:" in page.texts
    assert "regard sing ``` x" in page.texts
    assert "regard translate" not in text.replace("regard translate 'my run'", "")


def test_folders_of_this_machine_are_not_published(tmp_path: Path):
    text, _, page = card_of(tmp_path, FACTS)
    assert "secret" not in text
    assert "train.de" in page.texts


def test_nothing_is_claimed_that_nobody_said(tmp_path: Path):
    text, front, page = card_of(tmp_path, {"name": "x"})
    assert set(front) == {"pipeline_tag", "tags"}
    assert "## Scores" not in text
    assert "## Facts" not in text
    assert ModelCard.load(tmp_path / "README.md").data.license is None
    text, front, _ = card_of(tmp_path, {"name": "x", "scores": SCORES})
    assert "model-index" not in front  # a score without a test set is no result
    assert front["metrics"] == ["bleu", "chrf", "ter"]
    text, _, page = card_of(tmp_path, {"name": "x", "limits": ["Poems."], "title": "Y", "summary": "A *toy*."})
    assert {"Poems.", "Y", "A *toy*."} <= set(page.texts)
    assert LIMITS[0] not in page.texts


@pytest.mark.parametrize(
    "payload",
    [
        "<script>alert(1)</script>",
        "a | b | c",
        "*x* _y_ `z` [t](javascript:alert(1)) ![i](http://x)",
        "# heading",
        "- item",
        "\\| \\<b>",
        "&lt;b&gt; &amp;",
        "key: value\n---\nlicense: mit",
        "\"quoted\" 'twice' {a: b} [c] # no comment",
        "</code></pre>```\n~~~",
        "القطة 고양이 \U0001f600 \u2028 \x7f \u0085",
        "$x$ ~~gone~~",
    ],
)
def test_whatever_users_write_is_shown_as_text(payload: str, tmp_path: Path):
    facts = {
        "name": payload,
        "summary": payload,
        "languages": [payload],
        "license": payload,
        "test_set": payload,
        "scores": {"bleu": {**SCORES["bleu"], "name": payload, "signature": payload}, "notes": [payload]},
        "own": {payload: payload, "more": [payload]},
        "commands": {payload: payload},
        "limits": [payload],
    }
    _, front, page = card_of(tmp_path, facts)
    assert page.tags <= {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "pre", "code", "ul", "li"}
    line = payload.replace("\n", " ").replace("\x7f", "U+007F").replace("\u0085", "U+0085")
    assert page.texts.count(line) >= 6
    assert front["license"] == front["language"][0] == front["model-index"][0]["name"]
    assert front["license"] == payload.replace("\n", "U+000A").replace("\x7f", "U+007F").replace("\u0085", "U+0085")


def test_the_same_facts_give_the_same_bytes(tmp_path: Path):
    assert card_of(tmp_path, FACTS)[0] == card_of(tmp_path, FACTS)[0]


def test_a_card_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(RunError, match=r"README\.md: got No such file or directory; expected a file to write to"):
        write_card(tmp_path / "absent" / "README.md", FACTS)
