"""What a reader chooses in a browser: by keys, switches, sliders and the address; and what is saved."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch
from tests.looking.page.opened import Open, Opened, assert_shown

SVG = "{http://www.w3.org/2000/svg}"


def test_a_reload_and_a_copied_address_show_the_same_again(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation])
    opened.press("2", "s", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight", "t", "l")
    before, address = opened.cells(), opened.address()
    choices = [opened.pressed("층"), opened.pressed("헤드")]
    opened.tab.reload()
    assert torch.equal(opened.cells(), before)
    assert [opened.pressed("층"), opened.pressed("헤드")] == choices
    assert opened.tab.evaluate("document.documentElement.lang") == "ko"
    assert opened.tab.evaluate("document.documentElement.dataset.theme") == "light"
    again = open_page([looks.translation], address=address.removeprefix("#"))
    assert torch.equal(again.cells(), before)
    assert again.address() == address


def test_an_address_that_makes_no_sense_is_forgiven(open_page: Open, looks: Any) -> None:
    opened = open_page(
        [looks.translation], address="view=x&look=99&layer=77&head=-3&stack=__proto__&map=q&way=8&token=x"
    )
    assert opened.count(".lines .word") > 0
    opened.press("4")
    assert opened.count(".way canvas") > 0


def test_everything_can_be_reached_with_keys(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation], address="layer=1&head=1")
    opened.press("ArrowRight", "ArrowRight", "ArrowDown")
    assert (opened.pressed("Layer"), opened.pressed("Head")) == (["2"], ["3"])
    opened.press("Shift+ArrowRight", "Shift+ArrowRight")
    assert opened.tab.locator(".word.on").get_attribute("data-key") == "rows-1"
    for digit, kind in enumerate(("lines", "matrix", "heads", "way", "next", "beam"), start=1):
        opened.press(str(digit))
        assert opened.count(f".panel .{kind}") == 1
    opened.press("?")
    assert opened.count("dialog[open] kbd") > 8
    opened.press("Escape")
    opened.tab.locator("dialog").wait_for(state="detached")
    opened.press("2")
    opened.tab.click("[data-key='beside-0']")
    opened.press("6")  # also from a switch that has the focus
    assert opened.count(".panel .beam") == 1
    opened.tab.locator("[data-key='tab-beam']").focus()
    opened.press("ArrowRight")
    assert opened.text("[aria-selected=true]") == "Lines"
    outline = opened.tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_korean_is_a_switch_and_what_a_korean_browser_gets(open_page: Open, looks: Any, browser: Any) -> None:
    opened = open_page([looks.translation])
    assert opened.text("[role=tab]") == "Lines"
    opened.tab.click("[data-key='language']")
    assert opened.text("[role=tab]") == "선"
    assert "language=ko" in opened.address()
    korean = open_page([looks.translation], context=browser.new_context(locale="ko-KR"))
    assert korean.text("[role=tab]") == "선"
    buttons = korean.tab.locator("button")
    assert buttons.filter(has_text="어텐션 롤아웃").count() == 1
    assert buttons.filter(has_text="gradient").count() == 1, "a name that is not known stays as it is"


def test_dark_is_what_the_system_wants_and_a_switch(open_page: Open, looks: Any) -> None:
    def ground(opened: Opened) -> str:
        return str(opened.tab.evaluate("getComputedStyle(document.body).backgroundColor"))

    dark = open_page([looks.translation], scheme="dark")
    light = open_page([looks.translation], scheme="light")
    assert ground(dark) == "rgb(15, 20, 25)"
    assert ground(light) == "rgb(246, 248, 250)"
    light.press("t", "t")
    assert ground(light) == ground(dark)


def test_a_slider_goes_through_the_checkpoints(open_page: Open, looks: Any) -> None:
    opened = open_page(looks.steps, "steps", "view=matrix&unit=pieces&layer=1&head=1")
    assert_shown(opened.cells(), looks.steps[0].attention.cross[0, 0])
    handle = opened.tab.locator("[data-key='step']").element_handle()
    opened.tab.locator("[data-key='step']").focus()
    opened.press("ArrowRight", "ArrowRight")
    assert handle.evaluate("slider => slider.isConnected")  # it may be dragged on
    assert_shown(opened.cells(), looks.steps[2].attention.cross[0, 0])
    assert opened.text(".steps output") == "step 30"
    assert "look=3" in opened.address()


def test_playing_shows_one_checkpoint_after_the_other(open_page: Open, looks: Any, browser: Any) -> None:
    own = browser.new_context(locale="en-GB")  # all pages of a context have one clock
    opened = open_page(looks.steps, "steps", "look=3", context=own)
    opened.tab.clock.install(time="2030-01-01T00:00:00")
    opened.tab.clock.pause_at("2030-01-01T01:00:00")  # time stands still but for run_for
    opened.press("p")
    seen = [opened.text(".steps output")]
    for _ in range(3):
        opened.tab.clock.run_for(1000)
        seen.append(opened.text(".steps output"))
    assert seen == ["step 10", "step 20", "step 30", "step 30"]


def test_models_stand_side_by_side_each_with_its_own_choice(open_page: Open, looks: Any) -> None:
    opened = open_page(looks.models, "models", "view=matrix&unit=pieces&layer=1&head=1")
    opened.tab.click("[data-key='layer-1-2']")
    opened.tab.click("[data-key='head-1-3']")
    assert opened.count(".pane") == 2
    assert opened.count("header .text") == 0
    assert opened.tab.locator(".pane .text").all_inner_texts() == ["A dog runs fast", "The dog is fast"]
    assert_shown(opened.cells(0), looks.models[0].attention.cross[0, 0])
    assert_shown(opened.cells(1), looks.models[1].attention.cross[1, 2])
    opened.press("1")
    opened.tab.locator("[data-pane='0'] [data-key='rows-1']").hover()
    assert opened.count(".word.on") == 2
    boxes = [opened.tab.locator(".pane").nth(i).bounding_box() for i in range(2)]
    assert boxes[0]["y"] == boxes[1]["y"]


def test_models_of_which_one_has_no_ways_and_no_choices_are_gone_through_together(open_page: Open, looks: Any) -> None:
    bare = replace(looks.models[0], ways=(), choices=None)
    opened = open_page([bare, looks.models[1]], "models", "view=way")
    opened.press("Shift+ArrowRight", "Shift+ArrowLeft")
    assert opened.pressed("fed to the decoder") == ["dog"]
    opened.press("5", "Shift+ArrowRight")
    assert opened.text(".position[aria-pressed=true] bdi") == "dog"
    assert opened.text("[data-pane='0'] .about") == "This model has nothing to show here."


def test_a_narrow_page_never_scrolls_sideways_and_leaves_no_gap_in_its_texts(open_page: Open, looks: Any) -> None:
    opened = open_page([looks.translation], size=(360, 740))
    for digit in "123456":
        opened.press(digit)
        assert opened.tab.evaluate("document.documentElement.scrollWidth") <= 360
        said = opened.tab.evaluate("document.getElementById('page').textContent")
        assert not re.search(r"\{\w+\}|undefined|NaN", said)


def test_a_drawing_is_saved_as_svg_and_png(open_page: Open, looks: Any, tmp_path: Path) -> None:
    opened = open_page([looks.translation], address="token=2")
    for digit, view in (("1", "lines"), ("2", "matrix"), ("3", "heads"), ("6", "beam")):
        opened.press(digit)
        for kind in ("svg", "png"):
            with opened.tab.expect_download() as download:
                opened.tab.click(f"[data-key='{kind}']")
            assert download.value.suggested_filename == f"regard-{view}.{kind}"
            download.value.save_as(tmp_path / f"{view}.{kind}")
        root = ElementTree.parse(tmp_path / f"{view}.svg").getroot()
        assert root.tag == f"{SVG}svg"
        styles = [element.get("style") or "" for element in root.iter()]
        assert not any("var(" in style or "url(http" in style for style in styles)
        assert not list(root.iter(f"{SVG}script"))
        size = struct.unpack(">II", (tmp_path / f"{view}.png").read_bytes()[16:24])
        assert size == tuple(2 * int(float(root.get(side))) for side in ("width", "height"))


def test_hostile_words_are_saved_as_words(open_page: Open, looks: Any, tmp_path: Path) -> None:
    opened = open_page([looks.hostile], address="view=matrix")
    with opened.tab.expect_download() as download:
        opened.tab.click("[data-key='svg']")
    download.value.save_as(tmp_path / "saved.svg")
    texts = [element.text for element in ElementTree.parse(tmp_path / "saved.svg").iter() if element.text]
    assert {"<script>a…)</script>", "한국어", "مرحبا"} < set(texts)
