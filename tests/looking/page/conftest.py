"""Looks of random numbers, as small as the views allow, and a browser that opens their pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.looking.page.opened import Open, Opened
from tests.looking.page.toys import HOSTILE, NOTHING, Looks, of_picture, of_words, translation, way

from regard.looking.look import Attention, Look, Words
from regard.looking.page.write import page as page_of

CHROMIUM = os.environ.get("REGARD_CHROMIUM") or shutil.which("chromium")
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@pytest.fixture(scope="session")
def looks() -> Looks:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first = translation()
        later = [replace(translation(), label=f"step {number}") for number in (10, 20, 30)]
        classified = replace(of_words(("[CLS]", "▁good", "▁film")), classes={"praise": 0.9, "blame": 0.1})
        models = [replace(later[0], label="one"), replace(later[1], label="two", text="The dog is fast")]
        return Looks(first, later, models, of_words(HOSTILE, causal=True), classified, of_picture())


@pytest.fixture(scope="session")
def random_look() -> Callable[[int, int], Look]:
    """A look at so many tokens by an encoder of 12 × 12 heads, with so many ways."""

    def make(tokens: int, ways: int = 0) -> Look:
        weights = torch.rand(12, 12, tokens, tokens)
        text = Words(tuple(f"▁word{number}" for number in range(tokens)))
        taken = tuple(way(12, 768, tokens) for _ in range(ways))
        return Look("a model", "bert", text, Attention(weights, NOTHING, NOTHING), ways=taken)

    return make


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One for all tests of a process."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on the path, and none in REGARD_CHROMIUM")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def english(browser: Any) -> Any:
    return browser.new_context(locale="en-GB")


@pytest.fixture
def open_page(english: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens looks in a mode; afterwards, nothing may have left the page or gone wrong in it."""
    pages: list[tuple[str, Opened]] = []

    def open_(
        looks: list[Any],
        mode: Any = "single",
        address: str = "",
        title: str = "title",
        size: tuple[int, int] = (1100, 800),
        scheme: str = "light",
        context: Any = english,
    ) -> Opened:
        file = tmp_path / f"page{len(pages)}.html"
        file.write_text(page_of(looks, mode, title), encoding="utf-8")
        opened = Opened(context.new_page(), [], [])
        pages.append((file.as_uri(), opened))
        opened.tab.set_viewport_size({"width": size[0], "height": size[1]})
        opened.tab.emulate_media(color_scheme=scheme)
        opened.tab.on("request", lambda request: opened.asked.append(request.url))
        opened.tab.on("console", lambda message: opened.complaints.append(message.text))
        opened.tab.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.tab.on("dialog", lambda dialog: (opened.complaints.append(dialog.message), dialog.dismiss()))
        opened.tab.goto(f"{file.as_uri()}#{address}")
        return opened

    yield open_
    for uri, opened in pages:
        assert opened.complaints == []
        assert [url for url in opened.asked if not url.startswith((uri, "data:", "blob:"))] == []
        opened.tab.close()
