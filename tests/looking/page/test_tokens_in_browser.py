"""The views of tokens in a browser: the way of one, the next one, a beam of them, and what they are pooled to."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from tests.looking.page.opened import HALF_A_STEP, Open

from regard.looking.look import Words

DIRECTION = "all => all.map(each => each.getBoundingClientRect().x)"


def test_probabilities_are_exact_at_each_temperature(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation], address="view=next&place=2")
    choices = looks.translation.choices

    def shown() -> list[float]:
        cards = opened.tab.locator(".next li")
        return [float(value) for value in cards.evaluate_all("all => all.map(item => item.dataset.probability)")]

    assert shown() == pytest.approx(choices.logits[1].softmax(-1).tolist(), abs=1e-5)
    opened.tab.locator("[data-key='temperature-0']").focus()
    opened.press("ArrowRight")
    assert shown() == pytest.approx((choices.logits[1] / 2).softmax(-1).tolist(), abs=1e-5)
    assert opened.text(".next .told .piece") == "dog"
    assert "temperature=2" in opened.address()
    percents = opened.tab.locator(".position .figure").all_inner_texts()
    assert percents == [f"{100 * float((choices.logits[0] / 2).softmax(-1)[0]):.0f} %"] * 5


def test_a_position_is_chosen_by_its_word_or_with_keys(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation], address="view=next")
    assert opened.tab.locator(".position bdi").all_inner_texts() == ["A", "dog", "runs", "fast", "</s>"]
    opened.tab.locator(".position").nth(2).click()
    assert opened.text(".next .told .piece") == "runs"
    opened.press("ArrowRight")
    assert opened.text(".next .told .piece") == "fast"
    assert opened.text(":focus bdi") == "fast"
    opened.press("Shift+ArrowLeft", "Shift+ArrowLeft")
    assert opened.text(".position[aria-pressed=true] bdi") == "dog"
    assert "place=2" in opened.address()
    assert opened.text(".next h3") == "after A · written: dog 84 %"


def test_what_was_written_is_shown_with_its_probability_also_where_it_was_not_likely(
    open_page: Open, looks: Any
) -> None:
    likely = replace(looks.translation.choices, pieces=[["▁x", "▁y", "▁z"]] * 5)
    look = replace(looks.translation, choices=likely, log_probabilities=(math.log(0.004),) * 5)
    opened = open_page([look], address="view=next")
    assert opened.tab.locator(".next li .piece").all_inner_texts() == ["x", "y", "z", "A"]
    assert opened.text(".next .told .figure") == opened.text(".position .figure") == "0.4 %"
    logit = math.log(0.004) + float(likely.logits[0].logsumexp(0))
    opened.tab.locator("[data-key='temperature-0']").focus()
    opened.press("ArrowRight")
    probability = float(opened.tab.locator(".next .told").get_attribute("data-probability"))
    assert probability == pytest.approx(math.exp(logit / 2 - float((likely.logits[0] / 2).logsumexp(0))), abs=1e-5)


def test_words_from_right_to_left_stand_so_and_the_left_arrow_leads_on(open_page: Open, looks: Any) -> None:
    target = Words(("▁كلب", "▁صغير", "▁A", ".", "</s>"), None, (4,))
    opened = open_page([replace(looks.translation, target=target)], address="view=next")
    places = opened.tab.locator(".position").evaluate_all(DIRECTION)
    assert places == sorted(places, reverse=True)
    opened.tab.locator(".position").first.click()
    opened.press("ArrowLeft")
    assert opened.text(".position[aria-pressed=true] bdi") == "صغير"
    colours = opened.tab.locator(".position bdi").evaluate_all("all => all.map(each => getComputedStyle(each).color)")
    assert colours[0] == colours[2] != colours[4]


def test_the_ways_of_both_sides_stand_in_rows_of_their_own(open_page: Open, looks: Any) -> None:
    read = replace(looks.translation.ways[0], side="source", place=1)
    opened = open_page([replace(looks.translation, ways=(read, *looks.translation.ways))], address="view=way")
    rows = {
        name: opened.text(f"[aria-label='{name}'] .options") for name in ("read by the encoder", "fed to the decoder")
    }
    assert rows == {"read by the encoder": "Hund", "fed to the decoder": "dog"}
    assert opened.pressed("read by the encoder") == ["Hund"]
    opened.press("Shift+ArrowRight")
    assert opened.pressed("fed to the decoder") == ["dog"]
    assert opened.pressed("read by the encoder") == []
    assert opened.tab.locator(".sign").all_inner_texts() == ["+", "="]


def test_a_way_without_a_position_says_where_positions_are(open_page: Open, looks: Any) -> None:
    rotary = replace(looks.translation.ways[0], position=None)
    opened = open_page([replace(looks.translation, ways=(rotary,))], address="view=way")
    assert opened.count(".sign") == 0
    assert opened.text(".way .remark") == "positions enter in attention"


def test_the_way_of_a_token_tells_scores_mask_and_weights(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation], address="view=way&head=2")
    step = looks.translation.ways[0].layers[0][0]
    rows = opened.tab.locator(".scores").first.locator("tbody tr")
    table = rows.evaluate_all(
        "all => all.map(row => [...row.querySelectorAll('.figure')].map(cell => cell.textContent))"
    )
    assert table[-1] == ["−∞", "0.000"]
    weights = [float(weight) for _, weight in table]
    assert weights == pytest.approx(step.weights[1].tolist(), abs=float(step.weights[1].max()) / 254 + 5e-4)
    assert opened.count("details") == 2
    assert opened.count("details[open]") == 1
    opened.tab.locator("canvas.strip").first.hover(position={"x": 1, "y": 1})
    told = re.fullmatch(r"number 1: (.*)", opened.text(".tip"))
    assert told is not None
    token = looks.translation.ways[0].token
    assert float(told[1].replace("−", "-")) == pytest.approx(float(token[0]), abs=float(token.abs().max()) / 254 + 5e-4)


def test_a_beam_search_is_a_tree(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation], address="view=beam")
    assert opened.count(".node") == opened.count(".link") == 4
    assert opened.count(".node.won") == 2
    assert opened.tab.locator(".node.dropped .label").all_text_contents() == ["dog"]
    assert opened.tab.locator(".outputs tbody td").all_inner_texts() == ["1", "A", "−0.200", "−0.300"]


def test_a_classifier_shows_what_its_first_token_looked_at_and_its_classes(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.classified], address="view=pooled&layer=mean&head=mean&unit=pieces")
    values = opened.tab.locator(".shaded-word").evaluate_all("all => all.map(word => Number(word.dataset.value))")
    mean = looks.classified.attention.encoder.mean((0, 1))[0]
    assert values == pytest.approx(mean.tolist(), abs=HALF_A_STEP)
    assert opened.tab.locator(".classes .figure").all_inner_texts() == ["90 %", "10 %"]


def test_views_without_data_are_not_offered(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.classified])
    assert opened.tab.locator("[role=tab]").all_inner_texts() == ["Lines", "Matrix", "All heads", "Pooled"]
