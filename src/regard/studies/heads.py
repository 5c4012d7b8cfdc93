"""How many heads (section 3.2.2; row A of Table 3): d_k = d_v = d_model / h, so that the parameters are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from regard.config import setting
from regard.looking.trends import Panel, exact, trends
from regard.studies.frame.arms import Arm, Outcome, of_family, try_arms
from regard.studies.frame.pairs import pairs_of
from regard.studies.frame.plan import plan_of
from regard.studies.frame.study import Findings, Order, Picture, Study, Table
from regard.studies.frame.summary import outcome_numbers, outcome_table, perplexity, told
from regard.studies.frame.verdict import Difference, loss_difference, over_seeds

# h → perplexity per piece and BLEU on newstest2013: Vaswani et al. 2017, Table 3, row A; h = 8 is its base model.
# There d_model is 512, so that d_k falls from 512 to 16.
PAPER: Mapping[int, tuple[float, float]] = MappingProxyType(
    {1: (5.29, 24.9), 4: (5.00, 25.5), 8: (4.92, 25.8), 16: (4.91, 25.8), 32: (5.01, 25.4)}
)
OURS, THEIRS = "here", "the paper"
MODEL = {"layers": 2, "d_model": 128, "d_ff": 512, "dropout": 0.1, "norm": "pre"}


@dataclass(frozen=True)
class Heads:
    """What the study does."""

    model: Mapping[str, Any] = field(default_factory=lambda: MODEL)
    heads: tuple[int, ...] = setting((1, 2, 4, 8, 16, 32), help="h, divisors of d_model from 1 on; at least three")
    steps: int = setting(3000, help="updates of each model", minimum=1)
    batch_tokens: int = setting(2048, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(2e-3, help="peak of the learning rate", minimum=0.0)


FULL = Heads()
QUICK = replace(FULL, model={**MODEL, "d_model": 64, "d_ff": 256}, heads=(1, 4, 32), steps=260, batch_tokens=1024)


@dataclass(frozen=True)
class Verdict:
    """``best``: the number of heads between the fewest and the most; what these two lose against it, in nats."""

    best: int
    fewest: Difference
    most: Difference

    @property
    def held(self) -> bool | None:
        """True where both surely lose, False where one of them surely gains, else undecided."""
        if self.fewest.larger and self.most.larger:
            return True
        return False if self.fewest.smaller or self.most.smaller else None


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a corpus that is too small."""
    settings = QUICK if order.quick else FULL
    pairs = pairs_of(order)
    outcomes = try_arms([_arm(settings, heads) for heads in settings.heads], pairs, order.seeds, order.watch)
    by_heads = dict(zip(settings.heads, outcomes.values(), strict=True))
    verdict = judged(by_heads)
    first, *_, last = settings.heads
    sentence = (
        f"Against h = {verdict.best}, the best between, h = {first} {_loses(verdict.fewest)}, "
        f"and h = {last} (d_k = {settings.model['d_model'] // last}) {_loses(verdict.most)}."
    )
    numbers = {
        "outcomes": outcome_numbers(outcomes),
        "paper": {f"h = {heads}": {"perplexity": one, "bleu": two} for heads, (one, two) in PAPER.items()},
        "best_between": verdict.best,
        "fewest_minus_best": verdict.fewest.value,
        "most_minus_best": verdict.most.value,
    }
    tables = [outcome_table("Perplexity and BLEU", outcomes, pairs.references), _paper_table()]
    return Findings(sentence, numbers, tables, [_picture(by_heads)], told(order, settings, pairs), _NOTES, verdict.held)


def judged(outcomes: Mapping[int, Sequence[Outcome]]) -> Verdict:
    """The best between by every second test pair, and what the ends lose against it on the other pairs.

    Chosen and measured on the same pairs, the best of several would look better than it is.
    """
    between = list(outcomes)[1:-1]
    best = min(between, key=lambda heads: sum(_every_second(one, 0).nats_per_token for one in outcomes[heads]))
    other = {heads: [_every_second(one, 1) for one in group] for heads, group in outcomes.items()}
    first, *_, last = other
    return Verdict(best, loss_difference(other[best], other[first]), loss_difference(other[best], other[last]))


def _every_second(one: Outcome, start: int) -> Outcome:
    return replace(one, nats=one.nats[start::2], tokens=one.tokens[start::2])


def _loses(found: Difference) -> str:
    """By the loss on the test."""
    return f"is {found.way('worse', 'better')}, {found.text('nats per token', 3)}"


def _arm(settings: Heads, heads: int) -> Arm:
    plan = plan_of(settings, label_smoothing=0.1)  # section 5.4
    return Arm(f"h = {heads}", of_family("transformer", {**settings.model, "heads": heads}), plan)


def _picture(outcomes: Mapping[int, Sequence[Outcome]]) -> Picture:
    ours = {
        "perplexity": [(heads, over_seeds([perplexity(one) for one in group])) for heads, group in outcomes.items()],
        "BLEU": [(heads, over_seeds([one.bleu for one in group])) for heads, group in outcomes.items()],
    }
    theirs = {
        "perplexity": [(heads, exact(both[0])) for heads, both in PAPER.items()],
        "BLEU": [(heads, exact(both[1])) for heads, both in PAPER.items()],
    }
    rows = (("perplexity", "perplexity per token", "lower"), ("BLEU", "BLEU", "higher"))
    panels = [
        Panel({who: lines[what]}, "h, heads", label, f"{who[0].upper()}{who[1:]}: {better} is better", log_x=True)
        for what, label, better in rows
        for who, lines in ((OURS, ours), (THEIRS, theirs))
    ]
    caption = (
        "Perplexity and BLEU by the number of heads, here and in the paper's Table 3, row A (base: 8 heads). The "
        "scales differ: other data, another size. Bands: 95 % over the seeds."
    )
    return Picture("heads", trends(panels, "One head, several, too many (Table 3, row A)", columns=2), caption)


def _paper_table() -> Table:
    rows = [(f"h = {heads}", 512 // heads, *both) for heads, both in PAPER.items()]
    note = "Vaswani et al. 2017, Table 3, row A and the base model (h = 8): newstest2013, perplexity per piece."
    return Table("The paper's", ("", "d_k", "perplexity", "BLEU"), rows, note)


_NOTES = (
    "The rule: the claim holds where h = 1 and the largest h are both surely worse in test loss than the best number "
    "of heads between them; that one is chosen on every second test pair, and the others are measured on the rest.",
    "What is too many depends on d_k = d_model / h: the paper's 32 heads have d_k = 16, those of a small model fewer.",
    "The perplexities of the two are not of the same text nor the same pieces; only their course can be compared.",
)
STUDY = Study(
    "heads",
    "The number of heads",
    "With the same number of parameters, are several heads better than one, and are there too many?",
    run,
    takes=("source", "target"),
    claim='"While single-head attention is 0.9 BLEU worse than the best setting, quality also drops off with too many '
    'heads." (Vaswani et al. 2017, section 6.2)',
)
