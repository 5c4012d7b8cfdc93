"""The page as a text: how large it is, what it holds, and that nobody's words are markup."""

from __future__ import annotations

import base64
import json
import re
import struct
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from regard.looking import page as package
from regard.looking import style
from regard.looking.look import Attention, Words
from regard.looking.page.document import WAYS_AT_MOST, document
from regard.looking.page.write import SCRIPTS, page

MIB = 2**20
NOTHING = torch.empty(0, 0, 0, 0)
FOLDER = Path(package.__file__).parent


class Elements(HTMLParser):
    """The tags of a page, and the text of each script by its id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str | None, str] = {}
        self.title = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            name = self.tags[-1][1].get("id")
            self.scripts[name] = self.scripts.get(name, "") + data
        if self.tags and self.tags[-1][0] == "title":
            self.title += data


def test_a_sentence_of_50_tokens_with_144_heads_is_below_one_mebibyte(random_look) -> None:
    text = page([random_look(50, ways=5)], "single", "fifty")
    assert len(text.encode()) < MIB


def test_512_tokens_with_144_heads_are_below_60_mebibytes(random_look) -> None:
    text = page([random_look(512)], "single", "many")
    assert 48 * MIB < len(text.encode()) < 60 * MIB


def test_ways_are_left_out_from_the_end_where_they_do_not_fit(random_look) -> None:
    without, _ = document([random_look(10)], "single", "")
    head, _ = document([random_look(10, ways=5)], "single", "")
    shown = head["looks"][0]
    assert 0 < len(shown["ways"]) < 5
    assert len(shown["ways"]) + shown["ways_left_out"] == 5
    assert without["looks"][0]["ways_left_out"] == 0
    last = shown["ways"][-1]["end"]
    first = shown["ways"][0]["token"]
    assert last["at"] + 4 + 768 - first["at"] <= WAYS_AT_MOST


def test_numbers_are_bytes_and_never_json(looks) -> None:
    text = page([looks.translation], "single", "one")
    found = Elements(text).scripts
    head, data = json.loads(found["head"]), base64.b64decode(found["bytes"])
    cross = head["looks"][0]["stacks"]["cross"]["weights"]
    weights = looks.translation.attention.cross
    start = cross["at"]
    packed = torch.tensor(list(data[start : start + weights.numel()])).reshape(weights.shape) / 255
    torch.testing.assert_close(packed, weights, rtol=0, atol=1 / 510 + 1e-6)
    assert not re.search(r"\d\.\d{4}", found["head"])


def test_only_what_no_head_may_look_at_is_hidden(looks) -> None:
    stacks = document([looks.translation], "single", "")[0]["looks"][0]["stacks"]
    assert stacks["encoder"]["hidden"] is None
    assert stacks["cross"]["hidden"] is None
    assert stacks["decoder"]["hidden"]["shape"] == [5, 5]


def test_log_probabilities_are_packed_as_they_are(looks) -> None:
    head, data = document([looks.translation], "single", "")
    packed = head["looks"][0]["log_probabilities"]
    assert (packed["kind"], packed["shape"]) == ("floats", [5])
    found = struct.unpack("<5f", data[packed["at"] : packed["at"] + 20])
    assert found == pytest.approx(looks.translation.log_probabilities, rel=1e-6)
    assert document([looks.classified], "single", "")[0]["looks"][0]["log_probabilities"] is None


@pytest.mark.parametrize(
    ("pieces", "from_right"),
    [
        (("<s>", "▁مرحبا", "▁abc"), True),
        (("<s>", "▁12", "▁(", "▁שלום"), True),
        (("<s>", "▁abc", "▁שלום"), False),
        (("<s>", "▁한국어"), False),
        (("<s>", "▁12"), False),
    ],
)
def test_the_first_letter_with_a_direction_is_that_of_a_text(looks, pieces, from_right) -> None:
    source = Words(pieces, None, (0,))
    head = document([replace(looks.translation, source=source)], "single", "")[0]["looks"][0]
    assert (head["source"]["rtl"], head["source"]["specials"]) == (from_right, [0])


def test_hostile_words_leave_the_elements_of_the_page_as_they_are(looks) -> None:
    plain = Elements(page([looks.translation], "single", "title"))
    hostile = replace(
        looks.hostile,
        name="</script><script>alert(2)</script>",
        label="<!--<script>",
        classes={"</script>": 1.0},
        text="<img src=x onerror=alert(3)>\ud800",
    )
    text = page([hostile], "single", "</title><script>alert(4)</script>")
    text.encode("utf-8")
    found = Elements(text)
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in plain.tags]
    assert found.title.rstrip("\n") == "</title><script>alert(4)</script>"
    assert not re.search("[<>&\u2028\u2029]", found.scripts["head"])
    look = json.loads(found.scripts["head"])["looks"][0]
    assert look["name"] == hostile.name
    assert look["source"]["pieces"][0] == "<script>alert(1)</script>"
    assert look["source"]["pieces"][5] == "aU+202Eb"
    assert look["text"].endswith("U+D800")


def test_dollars_and_braces_of_a_text_stay_as_they_are(looks) -> None:
    text = page([replace(looks.hostile, text="$data ${script} {0} \\1")], "single", "$title")
    found = Elements(text)
    assert found.title.rstrip("\n") == "$title"
    assert json.loads(found.scripts["head"])["looks"][0]["text"] == "$data ${script} {0} \\1"


def test_the_page_names_no_other_place_and_forbids_every_request(looks) -> None:
    found = Elements(page([looks.translation], "single", "one"))
    policy = next(attributes["content"] for tag, attributes in found.tags if "http-equiv" in attributes)
    assert policy is not None
    assert policy.split("; ") == [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "script-src 'unsafe-inline'",
        "img-src data: blob:",
    ]
    script = found.scripts[None]
    assert set(re.findall(r"https?://[^\s\"']+", script)) == {"http://www.w3.org/2000/svg"}  # a name, not a place
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|fetch\(|import\(", script)


def test_every_script_of_the_folder_is_in_the_page() -> None:
    assert {path.stem for path in (FOLDER / "scripts").glob("*.js")} == set(SCRIPTS)
    assert len(set(SCRIPTS)) == len(SCRIPTS)


def test_every_script_is_short() -> None:
    assert {path.name for path in (FOLDER / "scripts").glob("*.js") if path.read_text().count("\n") > 200} == set()


def test_the_languages_say_the_same_things() -> None:
    texts = json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))
    gaps = {
        language: {key: sorted(re.findall(r"\{[\w-]+\}", text)) for key, text in said.items()}
        for language, said in texts.items()
    }
    assert gaps["en"] == gaps["ko"]


def test_the_colours_are_those_of_the_pictures() -> None:
    sheet = (FOLDER / "page.css").read_text(encoding="utf-8")
    light = sheet[: sheet.index("[data-theme")]
    for name, colour in (
        ("ink", style.INK),
        ("line", style.LINE),
        ("blue", style.BLUE),
        ("vermilion", style.VERMILION),
    ):
        assert f"--{name}: {colour};" in light
    assert f"--ink: {style.DARK[style.INK]};" in sheet


def test_a_look_without_attention_has_no_stacks(looks) -> None:
    look = replace(looks.translation, attention=Attention(NOTHING, NOTHING, NOTHING))
    assert document([look], "single", "")[0]["looks"][0]["stacks"] == {}
