"""What becomes of texts longer than any of training, copied or translated: in words, tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from regard.looking.trends import Line, Panel, trends
from regard.studies.by_length.beyond import JUDGED, Beyond
from regard.studies.by_length.copying import Shares, percent
from regard.studies.by_length.falls import in_bucket
from regard.studies.frame.study import Picture, Table
from regard.studies.frame.verdict import Difference

BORDER = "longest of training"
Copied = Mapping[str, Sequence[Shares]]
Counts = Mapping[str, Sequence[np.ndarray]]  # of each arm and seed, what BLEU is made of


def copying_sentence(
    kind: str, within: Sequence[int], beyond: Sequence[int], shares: Copied, short: Copied, fell: Difference
) -> str:
    """How much of the texts is copied with positions of a ``kind``."""
    each = {name: percent(group, beyond) for name, group in shares.items()}
    best = max(each, key=lambda name: each[name])
    won = "the best of all" if best == kind else f"the best of all is {best} with {each[best]:.1f} %"
    return (
        f"With {kind}s {percent(shares[kind], within):.1f} % of the words of texts as long as those of training "
        f"(up to {max(within)} words) are copied, and {each[kind]:.1f} % of texts of {beyond[0]} "
        f"to {beyond[-1]} words ({fell.text('of all words', 3)}), where "
        f"{percent(short[kind], beyond):.0f} % of the copies end too early: beyond training, {won}."
    )


def copying_table(
    title: str, trained: int, lines: Mapping[str, Line], fell: Mapping[str, Difference] | None = None
) -> Table:
    """A row each kind of positions, a column each length."""
    rows = [
        (kind, *(f"{one.value:.0f}" for _, one in line), *([fell[kind].text("", 3)] if fell else []))
        for kind, line in lines.items()
    ]
    lengths = [f"{length:g}{' *' if length > trained else ''}" for length, _ in next(iter(lines.values()))]
    last = ["share beyond minus inside"] if fell else []
    return Table(title, ("positions", *lengths, *last), rows, "Words in the text; * longer than any of training.")


def translating_sentence(kind: str, control: str, beyond: Beyond, counts: Counts, lost: Difference) -> str:
    """How well the texts are translated with positions of a ``kind``."""
    inside, outside = beyond.buckets[1], beyond.buckets[JUDGED]
    each = {name: in_bucket(group, outside).value for name, group in counts.items() if name != control}
    best = max(each, key=lambda name: each[name])
    won = "the best of all" if best == kind else f"the best of all is {best} with {each[best]:.1f}"
    return (
        f"With {kind}s, trained on texts of up to {beyond.trained} tokens, BLEU is "
        f"{in_bucket(counts[kind], inside).value:.1f} on texts of {inside.name} tokens and {each[kind]:.1f} on texts "
        f"of {outside.name}, where the same model trained on texts of all lengths reaches "
        f"{in_bucket(counts[control], outside).value:.1f} ({lost.text('of its BLEU', 3)}): beyond training, {won}."
    )


def translating_table(beyond: Beyond, counts: Counts) -> Table:
    """A row each arm, a column each bucket of length."""
    rows = [(name, *(in_bucket(group, one).text(1, 1.0) for one in beyond.buckets)) for name, group in counts.items()]
    names = [f"{one.name}{' *' if one.tokens > beyond.trained else ''}" for one in beyond.buckets]
    note = "Tokens in the longer side; * longer than any of training. 95 %: over the texts, or over the seeds."
    return Table("BLEU by length", ("positions", *names), rows, note)


def translating_picture(beyond: Beyond, counts: Counts, curves: Panel) -> Picture:
    """The same as lines, beside the curves of training."""
    lines = {name: [(one.tokens, in_bucket(group, one)) for one in beyond.buckets] for name, group in counts.items()}
    border = (BORDER, float(beyond.trained))
    panels = [Panel(lines, "tokens in the text", "BLEU", "Translations", limits=(-1, None), border=border), curves]
    caption = (
        "BLEU of texts of several sentences in a row, by length. The longest text of training stands at the dashed "
        "line, except for the model that was trained on all lengths. Bands: 95 %, over texts or seeds."
    )
    return Picture("longer", trends(panels, "Translating texts longer than any of training"), caption)


COPYING_CAPTION = (
    "Greedy copies of texts of random words, by length: the words at their place, and texts without a mistake. The "
    "longest text of training stands at the dashed line. Bands: 95 %, over texts or seeds."
)
_COPYING_RULE = (
    "The rule: of texts 1.5 to 2 times as long as the longest of training the claim holds where the share of words "
    "that sinusoids copy is surely at most 5 points below that inside the lengths of training, and does not where it "
    "is surely further below; undecided where less than 80 % is copied inside them."
)
_TRANSLATING_RULE = (
    "The rule: of texts 1.5 to 2 times as long as the longest of training the claim holds where sinusoids surely lose "
    "at most 5 % of the BLEU of the same model trained on texts of all lengths, and does not where they surely lose "
    "more; undecided where that model has less than 10 BLEU there."
)
_OF_COPYING = (
    "Copying is not translating: a model that copies has to find one place in the source for each word. With --source "
    "and --target a corpus is translated instead.",
    "A text may end too early because the model learnt where texts end in training, not only because it loses its "
    "place; both count as words that were not copied.",
)
_OF_TRANSLATING = (
    "A text is one or more sentence pairs of the corpus in a row, so that long texts are as hard as short ones but for "
    "their length; of the texts of one or two in a row the shorter nine tenths are learnt from.",
    "All models make as many updates of as many tokens; the one of all lengths sees fewer texts, of more tokens each.",
)
_OF_BOTH = (
    "The learned table has rows for every place of the test; those beyond the lengths of training are as they were "
    "drawn at the start.",
    "Relative, alibi and rotary tell self-attention of distances alone; attention from target to source is told of no "
    "positions by them.",
)
COPYING_NOTES = (_COPYING_RULE, *_OF_COPYING, *_OF_BOTH)
TRANSLATING_NOTES = (_TRANSLATING_RULE, *_OF_TRANSLATING, *_OF_BOTH)
