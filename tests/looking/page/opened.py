"""A page in the browser, as the tests read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

HALF_A_STEP = 1 / 510 + 5.1e-5  # of a byte, and of the four digits that a cell has


@dataclass
class Opened:
    """A page in the browser, and everything that it asked for or complained of."""

    tab: Any
    asked: list[str]
    complaints: list[str]

    def count(self, selector: str) -> int:
        return int(self.tab.locator(selector).count())

    def text(self, selector: str) -> str:
        return str(self.tab.locator(selector).first.inner_text())

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)

    def pressed(self, group: str) -> list[str]:
        """The pressed button of each group of choices with this name."""
        return list(self.tab.locator(f"[aria-label='{group}'] [aria-pressed=true]").all_inner_texts())

    def cells(self, pane: int = 0) -> Tensor:
        """The numbers of the first matrix of a pane, as they stand in the document."""
        found = self.tab.locator(f"[data-pane='{pane}'] .matrix").first.evaluate(
            "svg => [...svg.querySelectorAll('[data-cell]')].map(c => [c.dataset.cell, Number(c.dataset.value)])"
        )
        places = [tuple(map(int, place.split(","))) for place, _ in found]
        matrix = torch.full([1 + max(axis) for axis in zip(*places, strict=True)], torch.nan)
        for place, (_, value) in zip(places, found, strict=True):
            matrix[place] = value
        return matrix

    def address(self) -> str:
        later = "new Promise(done => setTimeout(() => done(location.hash), 150))"  # it follows 0.1 s after a choice
        return str(self.tab.evaluate(later))


Open = Callable[..., Opened]


def assert_shown(shown: Tensor, weights: Tensor) -> None:
    """The numbers of a matrix are these, as far as bytes can say them."""
    torch.testing.assert_close(shown, weights, rtol=0, atol=HALF_A_STEP)
