"""How every picture looks, and how it becomes a file. Nothing here uses pyplot or leaves settings changed.

The two inks are plain text in an SVG, so that a page can exchange them for its own (see ``themed_svg``). The colours
of lines are those of Okabe and Ito, told apart by colour-blind readers too.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from regard.errors import RunError, SettingError

INK, FAINT, LINE = "#1f2328", "#6e7682", "#d5dae0"  # text, axes and notes, grid
DARK = {INK: "#e6edf3", FAINT: "#98a2ae", LINE: "#333b45"}  # what stands for them on a dark page
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
WEIGHTS = LinearSegmentedColormap.from_list("weights", ["#1769c400", "#1769c4ff"])  # reads the same on white and black
SIGNED = LinearSegmentedColormap.from_list(  # below zero blue, above it vermilion, zero no colour at all
    "signed", [(0.0, f"{BLUE}ff"), (0.5, f"{BLUE}00"), (0.5, f"{VERMILION}00"), (1.0, f"{VERMILION}ff")]
)

SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a "$" in somebody's text is a dollar
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "figure.titlesize": 12,
    "image.interpolation": "nearest",
    "svg.hashsalt": "regard",
    "svg.fonttype": "path",  # letters as shapes: the reader needs no font
    "pdf.fonttype": 42,
}
METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None, "Producer": None, "Creator": "regard"},
}
DOTS_PER_INCH = 150


@contextmanager
def styled() -> Iterator[None]:
    """Draw or save in the house's style, whatever the user's matplotlibrc says; also a decorator."""
    with style.context(["default", SETTINGS]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, whose parts will make room for one another."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def heading(figure: Figure, text: str, **style: Any) -> None:
    """The figure's title, at its left edge."""
    if text:
        figure.suptitle(text, x=0.012, ha="left", **style)


def bare(axes: Axes) -> None:
    """Take away the frame, grid and tick marks, which a map of squares doesn't need."""
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def picture_suffix(path: Path, also: str = "") -> str:
    """The suffix of a picture's name, so that a wrong one is known before the work. Raises SettingError.

    ``also``: the suffix of what else there might be made, for the message.
    """
    suffix = path.suffix.lower()
    if suffix not in METADATA:
        rule = "a picture's .png, .svg or .pdf" + (f", or a page's {also}" if also else "")
        raise SettingError.because(path.name, f"suffix {suffix!r}", rule, "rename it")
    return suffix


@styled()
def save(figure: Figure, path: Path | str) -> None:
    """Write a .png, .svg or .pdf, as the suffix says; the same figure gives the same bytes, without dates.

    Raises SettingError for another suffix and RunError where the file cannot be written.
    """
    path = Path(path)
    suffix = picture_suffix(path)
    try:
        figure.savefig(path, format=suffix[1:], dpi=DOTS_PER_INCH, metadata=METADATA[suffix])
    except OSError as error:
        raise RunError.because(path, error.strerror or error, "a file to write to", "check the folder") from error


@styled()
def themed_svg(figure: Figure) -> str:
    """The figure as SVG without a background, whose inks follow the reader's preference for light or dark."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", dpi=DOTS_PER_INCH, transparent=True, metadata=METADATA[".svg"])
    svg = buffer.getvalue()
    names = {colour: f"--ink{number}" for number, colour in enumerate(DARK)}
    for colour, name in names.items():
        svg = svg.replace(f": {colour}", f": var({name})")
    light = "".join(f"{name}:{colour};" for colour, name in names.items())
    dark = "".join(f"{name}:{DARK[colour]};" for colour, name in names.items())
    rules = f"svg{{{light}}}@media (prefers-color-scheme:dark){{svg{{{dark}}}}}"
    start = svg.index("<svg")
    end = svg.index(">", start) + 1
    return f"{svg[start:end]}<style>{rules}</style>{svg[end:]}"
