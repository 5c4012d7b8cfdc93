"""What the tests of pictures ask of every picture, and one font for all machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from regard.looking import lettering
from regard.looking.style import styled


@pytest.fixture(autouse=True)
def no_fonts_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only matplotlib's own font, so that pictures are the same on every machine."""
    monkeypatch.setattr(lettering, "_installed", list)
    lettering._fonts_for.cache_clear()
    yield
    lettering._fonts_for.cache_clear()


@pytest.fixture
def assert_whole() -> Callable[[Figure], None]:
    """Everything that is drawn lies inside the figure (to a fiftieth of an inch)."""

    def check(figure: Figure) -> None:
        with styled():
            figure.draw_without_rendering()
            box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert box.x0 >= -0.02
        assert box.y0 >= -0.02
        assert box.x1 <= width + 0.02
        assert box.y1 <= height + 0.02

    return check


@pytest.fixture
def texts_of() -> Callable[[Figure], list[str]]:
    """Every text of the figure that is not empty."""

    def collect(figure: Figure) -> list[str]:
        with styled():
            figure.draw_without_rendering()
        return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]

    return collect
