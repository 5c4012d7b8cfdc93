"""Pictures of several runs: every number is where it belongs, a run looks the same everywhere, nothing is cut off."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from regard.evaluation.compare import Facts, LabelRow, Row, TextRow
from regard.evaluation.interval import Interval
from regard.evaluation.perplexity import Perplexity
from regard.evaluation.scores import Bucket, Score
from regard.looking.comparing import bleu_by_length, comparison
from regard.looking.style import COLOURS, styled

Check = Callable[[Figure], None]
Texts = Callable[[Figure], list[str]]
BUCKETS = (Bucket(1, 10, 500, 30.0), Bucket(11, 20, 1400, 20.0), Bucket(21, None, 5, 10.0))


def row(
    bleu: float,
    half: float | None = None,
    p_value: float | None = None,
    facts: Facts | None = None,
    by_length: Sequence[Bucket] = (),
) -> Row:
    mean = None if half is None else bleu
    scores = Score("BLEU", bleu, mean, half, "s"), Score("chrF2", bleu + 10, mean and mean + 10, half, "s")
    return Row(facts or Facts("run"), *scores, None, None, p_value, tuple(by_length))


def test_buckets_of_different_runs_share_their_places(assert_whole: Check, texts_of: Texts):
    early, middle, late = BUCKETS
    figure = bleu_by_length({"rnn": [early, late], "_transformer 개": [early, middle, late]})
    first, second = figure.axes[0].lines
    assert list(first.get_xdata()) == [0, 2]
    assert list(second.get_ydata()) == [30.0, 20.0, 10.0]
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert ticks == ["1–10\n500", "11–20\n1,400", "≥ 21\n5"]
    assert " _transformer □" in texts_of(figure)
    assert_whole(figure)


def test_runs_stand_below_one_another_and_stars_mark_what_is_significant(assert_whole: Check):
    figure = comparison(["first", "$second", "third"], [row(20, 2), row(24, 2, 0.04), row(21, 2, 0.3)])
    left, right = figure.axes
    assert [bar.get_width() for bar in left.patches] == [20, 24, 21]
    assert [bar.get_width() for bar in right.patches] == [30, 34, 31]
    assert [list(line.get_xdata()) for line in right.lines] == [[28, 32], [32, 36], [29, 33]]
    assert [text.get_text().strip() for text in left.texts] == ["20.0", "24.0 ✱", "21.0"]
    assert [text.get_text().strip() for text in right.texts] == ["30.0", "34.0", "31.0"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["first", "$second", "third"]
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first stands at the top
    assert_whole(figure)


def test_runs_without_intervals_are_drawn(assert_whole: Check):
    figure = comparison(["only"], [row(0.0)])
    assert not figure.axes[1].lines
    assert "✱" not in figure.axes[0].get_xlabel()
    assert_whole(figure)


def test_a_run_has_one_colour_and_one_mark_everywhere():
    rows = [row(20 + n, 1, facts=Facts("", "", 100 + n, 60.0 * (n + 1)), by_length=BUCKETS) for n in range(3)]
    bars, _, lines, costs = comparison(["a", "b", "c"], rows).axes
    for number in range(3):
        mark = bars.lines[3 + number]  # behind the three intervals
        point = costs.lines[2 * number + 1]
        looks = [(to_hex(line.get_color()), line.get_marker()) for line in (mark, lines.lines[number], point)]
        assert len(set(looks)) == 1
        assert looks[0][0] == COLOURS[number]
        assert to_hex(bars.patches[number].get_facecolor()) == COLOURS[number]
        assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([0], [number])


@pytest.mark.parametrize(
    ("seconds", "parameters", "label", "places"),
    [
        ([600.0, 1200.0], [5, 7], "training time in minutes", [10, 20]),
        ([90.0, 30.0], [5, 7], "training time in seconds", [90, 30]),
        ([7200.0, 36000.0], [5, 7], "training time in hours", [2, 10]),
        ([600.0, 601.0], [5, 7], "parameters", [5, 7]),  # one budget for all
        ([600.0, None], [5, 7], "parameters", [5, 7]),
    ],
)
def test_the_cost_is_time_where_it_differs_and_else_parameters(seconds, parameters, label, places):
    facts = [Facts("", "", *known) for known in zip(parameters, seconds, strict=True)]
    axes = comparison(["a", "b"], [row(20, facts=facts[0]), row(30, facts=facts[1])]).axes[-1]
    assert axes.get_xlabel() == label
    assert [line.get_xdata()[0] for line in axes.lines] == places
    assert [line.get_ydata()[0] for line in axes.lines] == [20, 30]
    assert axes.get_ylabel() == "BLEU"


def test_what_is_unknown_is_not_drawn():
    rows = [row(20, facts=Facts("", "", 5, None)), row(30, facts=Facts("", "", None, 7.0))]
    assert len(comparison(["a", "b"], rows).axes) == 2
    assert len(comparison(["a", "b"], [row(20, by_length=BUCKETS[:1])] * 2).axes) == 2  # one bucket is no line


def test_costs_of_other_magnitudes_stand_on_a_logarithmic_axis(texts_of: Texts):
    rows = [row(20 + n, facts=Facts("", "", 10 ** (5 + n))) for n in range(3)]
    figure = comparison(["a", "b", "c"], rows)
    assert figure.axes[-1].get_xscale() == "log"
    assert {"100 k", "1 M", "10 M"} <= set(texts_of(figure))


def _labels(figure: Figure) -> list[Text]:
    """What stands beside the axes and at the bars; ticks beyond the axes are not drawn, names only at the first."""
    found = list(figure.axes[0].get_yticklabels())
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [label for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
        found += [*axes.texts, *ticks, axes.xaxis.label, axes.yaxis.label]
    return [text for text in found if text.get_text()]


@pytest.mark.parametrize("runs", [1, 2, 6, 9])
def test_long_names_of_many_runs_are_whole_and_do_not_overlap(assert_whole: Check, runs: int):
    names = [f"runs/어텐션이-없는-순환-신경망-{n}/transformer-big-with-a-long-name-{n}" for n in range(runs)]
    rows = [
        row(99.9, 1.0, 0.01, Facts("", "transformer", 10**n + 1, 50.0 * (n + 1)), by_length=BUCKETS)
        for n in range(runs)
    ]
    figure = comparison(names, rows, "data/test.de → data/test.en")
    assert_whole(figure)
    with styled():
        boxes = [text.get_window_extent() for text in _labels(figure)]
    assert len(boxes) > 4 * runs
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])


def test_classifiers_are_drawn_in_percent_and_texts_by_nats(assert_whole: Check):
    labelled = LabelRow(Facts("one"), Interval(0.75, 0.7, 0.8), Interval(0.5, 0.4, 0.6))
    left, right = comparison(["one"], [labelled]).axes
    assert (left.patches[0].get_width(), right.patches[0].get_width()) == (75, 50)
    assert list(right.lines[0].get_xdata()) == pytest.approx([40, 60])
    told = TextRow(Facts("one"), Perplexity(2.0, 30, 20, 60), "next token")
    figure = comparison(["one"], [told])
    assert [axes.get_xlabel() for axes in figure.axes] == ["nats per byte", "nats per word"]
    assert [axes.patches[0].get_width() for axes in figure.axes] == [1.0, 3.0]
    assert figure.axes[0].texts[0].get_text().strip() == "1.000"
    (only,) = comparison(["one"], [TextRow(Facts("one"), Perplexity(2.0, 30), "masked token")]).axes
    assert (only.get_xlabel(), only.patches[0].get_width()) == ("nats per predicted token", 2.0)
    assert_whole(figure)
