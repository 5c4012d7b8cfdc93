"""The pictures of one look that ``regard look`` draws, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from regard.errors import RunError, SettingError
from regard.looking.align import merge_groups
from regard.looking.lettering import lettering, remark
from regard.looking.look import CROSS, DECODER, ENCODER, STACKS, Cells, Look, Side, Words
from regard.looking.maps import heads, matrix_map, matrix_panels
from regard.looking.style import BLUE, FAINT, LINE, WEIGHTS, bare, heading, new_figure, styled
from regard.looking.translation_map import translation_map

Draw = Callable[[Look, str | None, int | None, int | None], Figure]


def picture(
    look: Look, view: str | None = None, stack: str | None = None, layer: int | None = None, head: int | None = None
) -> Figure:
    """One of VIEWS; without a name the alignment of a translation, and else all heads of the last layer.

    ``stack`` is one of STACKS, ``layer`` and ``head`` are counted from 0. Raises SettingError for what there is not.
    """
    name = view or ("alignment" if look.target is not None and stack is None and layer is None else "heads")
    if name not in VIEWS:
        raise SettingError.because("--view", name, "one of " + ", ".join(VIEWS), "choose one of them")
    return VIEWS[name](look, stack, layer, head)


def _alignment(look: Look, stack: str | None, layer: int | None, head: int | None) -> Figure:
    """Without a choice the mean that aligns best; else one matrix, of words."""
    if stack is None and layer is None and head is None:
        return translation_map(look, look.name)
    kind, weights = _weights(look, stack)
    layer = len(weights) - 1 if layer is None else _checked("--layer", layer, len(weights))
    matrix = weights[layer].mean(0) if head is None else weights[layer, _checked("--head", head, weights.shape[1])]
    rows, columns = _sides(look, kind)
    which = "mean of heads" if head is None else f"head {head + 1}"
    merged = merge_groups(matrix, columns.groups, rows.groups)
    return matrix_map(merged, columns.words, rows.words, f"{look.name}: {kind}, layer {layer + 1}, {which}")


def _heads(look: Look, stack: str | None, layer: int | None, head: int | None) -> Figure:
    """All heads of one layer."""
    kind, weights = _weights(look, stack)
    layer = len(weights) - 1 if layer is None else _checked("--layer", layer, len(weights))
    rows, columns = _sides(look, kind)
    return heads(weights[layer], columns.pieces, rows.pieces, f"{look.name}: {kind}, layer {layer + 1}")


def _model(look: Look, stack: str | None, layer: int | None, head: int | None) -> Figure:
    """All heads of all layers: a row a layer, a column a head."""
    kind, weights = _weights(look, stack)
    return _small_maps(weights, f"{look.name}: {kind}, every layer and head")


@styled()
def _small_maps(weights: Tensor, title: str) -> Figure:
    layers, count, rows, columns = weights.shape
    side = max(0.55, min(1.3, 12 / count))
    figure = new_figure(side * count + 0.8, side * layers * min(2.0, rows / columns) + 1.0)
    places = figure.subplots(layers, count, squeeze=False)
    for layer, row in enumerate(places):
        for head, axes in enumerate(row):
            axes.imshow(np.asarray(weights[layer, head].double()), cmap=WEIGHTS, vmin=0, vmax=1, aspect="auto")
            bare(axes)
            axes.spines[:].set(visible=True, color=LINE)
            axes.set_xticks([])
            axes.set_yticks([])
            if layer == 0:
                axes.set_title(str(head + 1), fontsize=8, color=FAINT)
        row[0].set_ylabel(f"layer {layer + 1}", fontsize=8, color=FAINT)
    named = lettering([title], limit=100)
    heading(figure, named.texts[0], **named.style)
    return figure


def _tokens(look: Look, stack: str | None, layer: int | None, head: int | None) -> Figure:
    """What the model gave each token that it wrote."""
    if look.target is None or not look.log_probabilities:
        raise RunError.because("--view", "tokens", "a model that writes translations", "choose another view")
    return _bars(
        look.target,
        [math.exp(log) for log in look.log_probabilities],
        f"{look.name}: P(token | source, tokens before it)",
    )


@styled()
def _bars(target: Words, probabilities: Sequence[float], title: str) -> Figure:
    shown = lettering(target.labels)
    figure = new_figure(max(5.0, 0.55 * len(target) + 0.6), 2.8)
    axes = figure.add_subplot()
    axes.bar(range(len(target)), probabilities, color=BLUE, width=0.7)
    for place, value in enumerate(probabilities):
        axes.text(place, value, f"{100 * value:.0f} %", ha="center", va="bottom", fontsize=7, color=FAINT)
    axes.set_xticks(range(len(target)), shown.texts, rotation=45, ha="right", **shown.style)
    axes.set_ylim(0, 1.1)
    axes.set_yticks([])
    named = lettering([title], limit=100)
    heading(figure, named.texts[0], **named.style)
    remark(figure, shown)
    return figure


def _summaries(look: Look, stack: str | None, layer: int | None, head: int | None) -> Figure:
    """Every summary of the look beside the others, of words."""
    if not look.summaries:
        raise RunError.because("--view", "summaries", "a model with attention to summarise", "choose another view")
    rows, columns = _sides(look, look.summed)
    merged = {name: merge_groups(one, columns.groups, rows.groups) for name, one in look.summaries.items()}
    return matrix_panels(merged, columns.words, rows.words, look.name)


VIEWS: Mapping[str, Draw] = MappingProxyType(
    {"alignment": _alignment, "heads": _heads, "model": _model, "tokens": _tokens, "summaries": _summaries}
)


def _weights(look: Look, stack: str | None) -> tuple[str, Tensor]:
    there = [kind for kind in (CROSS, DECODER, ENCODER) if len(look.attention.of(kind))]
    if stack is None and not there:
        raise RunError.because("attention", f"a {look.family} model without any", "some", "take another model")
    kind = there[0] if stack is None else stack
    if kind not in there:
        rule = "one of " + ", ".join(name for name in STACKS if name in there)
        raise SettingError.because("--stack", kind, rule, "choose one that this model has")
    return kind, look.attention.of(kind)


def _checked(name: str, number: int, count: int) -> int:
    if not 0 <= number < count:
        raise SettingError.because(name, number + 1, f"1 to {count}", "choose one that this model has")
    return number


def _sides(look: Look, kind: str) -> tuple[Words, Words]:
    """Rows and columns of a stack's matrices."""
    rows: Side | None = look.source
    columns: Side | None = look.source
    if look.target is not None and kind != ENCODER:
        rows, columns = look.target, look.source if kind == CROSS else look.fed
    if isinstance(rows, Cells) or isinstance(columns, Cells):
        raise RunError.because("--view", "a picture of words", "text on both sides", "write a page: --out look.html")
    assert rows is not None
    assert columns is not None
    return rows, columns
