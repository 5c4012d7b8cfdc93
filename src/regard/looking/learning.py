"""Curves of training: losses and BLEU against steps, and learning rates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from regard.looking.lettering import in_legend, lettering, remark
from regard.looking.style import BLUE, COLOURS, FAINT, GREEN, SKY, VERMILION, heading, new_figure, styled

SMOOTHED_FROM = 60  # records of training loss from which on their moving mean is drawn over them
UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))
Numbers = NDArray[np.float64]


@styled()
def learning_curve(metrics: Sequence[Mapping[str, Any]], title: str = "Learning curve") -> Figure:
    """Losses [nats per target token] and validation BLEU against steps, with the time above and the best marked.

    ``metrics`` are the records of metrics.jsonl: training's with ``loss``, validation's with ``valid_loss`` and perhaps
    ``valid_bleu``. The best has the highest BLEU, or where none was measured the lowest validation loss.
    """
    figure = new_figure(8.0, 4.4)
    axes = figure.add_subplot()
    heading(figure, title)
    training, losses, bleu = (_series(metrics, key) for key in ("loss", "valid_loss", "valid_bleu"))
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per target token)")
    axes.set_xlim(0, max([1.0, *training[0], *losses[0], *bleu[0]]) * 1.02)
    if not len(training[0]) and not len(losses[0]) and not len(bleu[0]):
        axes.text(0.5, 0.5, "nothing measured yet", transform=axes.transAxes, ha="center", color=FAINT)
        return figure
    _losses(axes, training, losses)
    handles, names = axes.get_legend_handles_labels()
    if len(bleu[0]):
        right = _bleu(axes, bleu)
        more = right.get_legend_handles_labels()
        handles, names = handles + more[0], names + more[1]
        _mark(right, bleu, int(bleu[1].argmax()), "best: {:.2f} BLEU", GREEN, upwards=False)
    elif len(losses[0]):
        best = int(losses[1].argmin())
        above = len(training[0]) == 0 or losses[1][best] > np.interp(losses[0][best], *training)
        _mark(axes, losses, best, "best: {:.3f} nats", VERMILION, upwards=bool(above))
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    _time_above(axes, metrics)
    return figure


@styled()
def schedule(rates: Mapping[str, Sequence[float]] | Sequence[float], title: str = "Learning rate") -> Figure:
    """Learning rates of the steps 1, 2, …, with the peak marked; several by name, or one."""
    named = rates if isinstance(rates, Mapping) else {"": rates}
    figure = new_figure(7.0, 3.6)
    axes = figure.add_subplot()
    heading(figure, title)
    shown = lettering(named)
    for number, (name, values) in enumerate(zip(shown.texts, named.values(), strict=True)):
        if not len(values):
            continue
        steps, colour = np.arange(1, len(values) + 1), COLOURS[number % len(COLOURS)]
        peak = int(np.argmax(values))
        said = f"{values[peak]:.2e} at step {steps[peak]:,}"
        axes.plot(steps, values, color=colour, label=in_legend(f"{name}: {said}" if name else said))
        axes.plot(steps[peak], values[peak], "o", color=colour, markersize=5)
    axes.set_xlabel("step")
    axes.set_ylabel("learning rate")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    if axes.lines:
        for text in axes.legend(loc="upper right", title="peak", alignment="right").get_texts():
            text.set(**shown.style)
    remark(figure, shown)
    return figure


def _series(metrics: Sequence[Mapping[str, Any]], key: str) -> tuple[Numbers, Numbers]:
    """(steps, values) of the records that have a finite ``key``, in order of steps."""
    pairs = [(record["step"], record[key]) for record in metrics if math.isfinite(record.get(key, math.nan))]
    steps, values = zip(*sorted(pairs), strict=True) if pairs else ((), ())
    return np.array(steps, dtype=float), np.array(values, dtype=float)


def _losses(axes: Axes, training: tuple[Numbers, Numbers], losses: tuple[Numbers, Numbers]) -> None:
    steps, values = training
    if len(values) >= SMOOTHED_FROM:
        axes.plot(steps, values, color=SKY, linewidth=0.8, alpha=0.5)
        window = len(values) // 80 * 2 + 3  # odd, so that the mean lies in the middle
        padded = np.pad(values, window // 2, mode="edge")
        values = np.convolve(padded, np.ones(window) / window, mode="valid")
    if len(values):
        axes.plot(steps, values, color=BLUE, label="training loss (with dropout and smoothing)")
    if len(losses[0]):
        axes.plot(*losses, color=VERMILION, marker="o", markersize=4, label="validation loss")
    everything = np.concatenate([values, losses[1]])
    if len(everything):
        low, high = everything.min(), everything.max()
        margin = 0.05 * (high - low) or 0.5
        axes.set_ylim(max(0.0, low - 3 * margin), high + margin)


def _bleu(axes: Axes, bleu: tuple[Numbers, Numbers]) -> Axes:
    right = axes.twinx()
    right.plot(*bleu, color=GREEN, marker="s", markersize=4, linestyle="--", label="validation BLEU")
    right.set_ylabel("BLEU", color=GREEN)
    right.tick_params(axis="y", color=GREEN, labelcolor=GREEN)
    right.grid(False)
    right.set_ylim(0, max(1.0, float(bleu[1].max()) * 1.12))
    return right


def _mark(axes: Axes, series: tuple[Numbers, Numbers], best: int, text: str, colour: str, *, upwards: bool) -> None:
    """A star on the best point, and its value on whichever side has room."""
    step, value = series[0][best], series[1][best]
    right_half = step > sum(axes.get_xlim()) / 2
    axes.plot(step, value, marker="*", markersize=13, color=colour, clip_on=False, zorder=5)
    axes.annotate(
        text.format(value),
        (step, value),
        xytext=(-8 if right_half else 8, 14 if upwards else -18),
        textcoords="offset points",
        ha="right" if right_half else "left",
        color=colour,
        fontweight="bold",
    )


def _time_above(axes: Axes, metrics: Sequence[Mapping[str, Any]]) -> None:
    """A second scale with the time, where the records tell it. A run that was resumed may have gone back in time."""
    steps, seconds = _series(metrics, "seconds")
    steps, first = np.unique(steps, return_index=True)
    seconds = np.maximum.accumulate(seconds[first]) if len(first) else seconds
    if len(steps) < 2 or seconds[-1] <= seconds[0]:
        return
    beyond = 10 * steps[-1], seconds[-1] + 9 * steps[-1] * (seconds[-1] - seconds[0]) / (steps[-1] - steps[0])
    steps, seconds = np.array([0.0, *steps, beyond[0]]), np.array([0.0, *seconds, beyond[1]])
    seconds = seconds + np.arange(len(seconds)) * 1e-9  # strictly rising, so that it has an inverse
    size, unit = next((size, unit) for size, unit in UNITS if seconds[-2] >= 3 * size or size == 1)

    def to_time(step: ArrayLike) -> ArrayLike:
        return np.interp(np.asarray(step), steps, seconds) / size

    def to_step(time: ArrayLike) -> ArrayLike:
        return np.interp(np.asarray(time) * size, seconds, steps)

    above = axes.secondary_xaxis("top", functions=(to_time, to_step))
    above.set_xlabel(f"time ({unit})", color=FAINT)
    above.tick_params(color=FAINT, labelcolor=FAINT)
    above.spines["top"].set_visible(False)
