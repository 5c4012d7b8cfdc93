"""The views of attention in a browser without a screen: their numbers, words and pictures."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.looking.page.opened import HALF_A_STEP, Open, assert_shown

from regard.looking.look import Words

PLACES = "all => all.map(each => Number(each.getAttribute('x')))"


def test_choosing_layer_2_head_3_shows_its_numbers(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation], address="view=matrix&unit=pieces")
    opened.tab.click("[data-key='layer-0-2']")
    opened.tab.click("[data-key='head-0-3']")
    assert_shown(opened.cells(), looks.translation.attention.cross[1, 2])
    opened.tab.click("[data-key='stack-0-decoder']")
    assert_shown(opened.cells(), looks.translation.attention.decoder[1, 2])
    assert opened.count(".matrix .hidden") == 10
    opened.tab.click("[data-key='head-0-0']")
    assert_shown(opened.cells(), looks.translation.attention.decoder[1].mean(0))


def test_words_are_sums_over_what_is_looked_at_and_means_over_what_looks(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation], address="view=matrix&stack=encoder&layer=1&head=1&unit=words")
    pieces = looks.translation.attention.encoder[0, 0]
    columns = torch.cat((pieces[:, :3], pieces[:, 3:5].sum(1, keepdim=True), pieces[:, 5:]), 1)
    words = torch.cat((columns[:3], columns[3:5].mean(0, keepdim=True), columns[5:]))
    torch.testing.assert_close(opened.cells(), words, rtol=0, atol=2 * HALF_A_STEP)


def test_a_summary_shows_its_own_numbers_and_all_stand_side_by_side(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation], address="view=matrix&unit=pieces")
    opened.tab.click("[data-key='map-0-gradient']")
    gradient = looks.translation.summaries["gradient"]
    torch.testing.assert_close(opened.cells(), gradient, rtol=0, atol=float(gradient.abs().max()) / 254 + 1e-4)
    opened.tab.click("[data-key='beside-0']")
    assert opened.count(".matrix") == 2


def test_a_word_in_the_focus_shows_its_numbers_alone(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation], address="unit=pieces&layer=1&head=2")
    weights = looks.translation.attention.cross[0, 1]
    opened.tab.locator("[data-key='rows-0']").focus()
    opened.press("ArrowRight")
    numbers = opened.tab.locator("[data-key^='columns-'] .number").all_text_contents()
    assert [float(text or 0) for text in numbers] == pytest.approx(weights[1].tolist(), abs=HALF_A_STEP + 0.005)
    assert "dog" in opened.text(".readout")
    opened.press("Enter")
    assert "token=2" in opened.address()
    opened.tab.locator("[data-key='columns-0']").hover()
    numbers = opened.tab.locator("[data-key^='rows-'] .number").all_text_contents()
    assert [float(text or 0) for text in numbers] == pytest.approx(weights[:, 0].tolist(), abs=HALF_A_STEP + 0.005)


def test_the_matrix_has_a_cursor_for_keys(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation], address="view=matrix&unit=pieces&stack=decoder&layer=1&head=1")
    opened.tab.locator(".matrix").focus()
    opened.press("ArrowDown", "ArrowDown")
    value = float(looks.translation.attention.decoder[0, 0, 2, 0])
    said = opened.text(".readout")
    assert said.replace("\u2068", "").replace("\u2069", "").startswith("runs looks at <s>: ")
    assert float(said.split()[-1]) == pytest.approx(value, abs=HALF_A_STEP + 0.0005)
    opened.press("ArrowUp", "ArrowRight")
    opened.press("ArrowRight")
    assert "may not look" in opened.text(".readout")


def test_hostile_words_are_only_words(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.hostile], title="</title><script>alert(2)</script>")
    labels = opened.tab.locator(".lines .word").evaluate_all("words => words.map(w => w.getAttribute('aria-label'))")
    assert labels[:9] == looks.hostile.source.words
    assert {"<script>alert(1)</script>", "😀", "한국어", "مرحبا", "aU+202Eb", "\"'&amp;"} < set(labels)
    assert opened.text("h1") == "</title><script>alert(2)</script>"
    assert "\u202e" not in opened.tab.content()
    opened.press("w", "2")
    assert "·<0xE2>" in opened.tab.locator(".matrix .label").all_text_contents()
    opened.press("3")
    assert opened.count("script") == 3  # the two texts, and the page's own


def test_a_picture_lies_under_the_cells_that_were_looked_at(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.picture], address="layer=1&head=2")
    cross = looks.picture.attention.cross[0, 1]

    def shown() -> list[float]:
        cells = opened.tab.locator(".picture .cell")
        return [float(value) for value in cells.evaluate_all("all => all.map(cell => cell.dataset.value)")]

    assert opened.tab.locator(".picture image").get_attribute("href").startswith("data:image/png;base64,")
    assert shown() == pytest.approx(cross[0].tolist(), abs=HALF_A_STEP)
    opened.tab.locator("[data-key='rows-1']").hover()
    assert shown() == pytest.approx(cross[1].tolist(), abs=HALF_A_STEP)
    opacities = opened.tab.locator(".picture .cell").evaluate_all("all => all.map(c => c.getAttribute('fill-opacity'))")
    assert opacities.index("0.900") == int(cross[1].argmax())
    opened.press("2")
    assert opened.count(".gallery .picture") == 2


def test_the_less_probable_a_word_was_the_darker_is_the_line_under_it(open_page: Open, looks: Any) -> None:
    pieces = ("▁A", "▁d", "og", "▁runs", "</s>")
    probabilities = (0.9, 0.5, 0.4, 1.0, 0.25)
    logs = tuple(math.log(each) for each in probabilities)
    look = replace(looks.translation, target=Words(pieces, None, (4,)), log_probabilities=logs)
    opened = open_page([look], address="unit=pieces")

    def opacities() -> list[float]:
        lines = opened.tab.locator(".doubt")
        return [float(text) for text in lines.evaluate_all("all => all.map(l => l.getAttribute('stroke-opacity'))")]

    assert opacities() == pytest.approx([0.1, 0.5, 0.6, 0.0, 0.75], abs=6e-4)
    opened.press("w")
    assert opacities() == pytest.approx([0.1, 1 - 0.5 * 0.4, 0.0, 0.75], abs=6e-4)
    opened.tab.locator("[data-key='rows-1']").hover()
    assert opened.text(".tip").replace("\u2068", "").replace("\u2069", "") == "P(dog) = 20 %"
    opened.press("s")  # the source, which nobody wrote
    assert opened.count(".doubt") == 0


def test_a_row_of_arabic_words_runs_from_right_to_left(open_page: Open, looks: Any) -> None:
    source = Words(("</s>", "▁كلب", "▁صغير", "▁A", "▁.", "</s>"), None, (0, 5))
    opened = open_page([replace(looks.translation, source=source)], address="unit=pieces")

    def places(side: str) -> list[float]:
        return list(opened.tab.locator(f"[data-key^='{side}-'] .label").evaluate_all(PLACES))

    assert places("columns") == sorted(places("columns"), reverse=True)
    assert places("rows") == sorted(places("rows"))
    opened.tab.locator("[data-key='columns-1']").focus()
    opened.press("ArrowLeft")
    assert opened.tab.locator(":focus").get_attribute("aria-label") == "صغير"
    dimmed = opened.tab.locator(".lines .label.special").all_text_contents()
    assert dimmed == ["</s>"] * 3


def test_a_small_map_is_darkest_where_its_weight_is_greatest(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation], address="view=heads&stack=cross")
    opacities = opened.tab.locator("[data-key='map-0-2-3'] image").evaluate(
        """async image => {
            const picture = new Image();
            picture.src = image.getAttribute("href");
            await picture.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [picture.width, picture.height];
            const context = canvas.getContext("2d");
            context.drawImage(picture, 0, 0);
            return [...context.getImageData(0, 0, canvas.width, canvas.height).data].filter((_, i) => i % 4 === 3);
        }"""
    )
    weights = looks.translation.attention.cross[1, 2]
    expected = (weights / weights.max()).flatten().tolist()
    assert [opacity / 255 for opacity in opacities] == pytest.approx(expected, abs=3 * HALF_A_STEP)
