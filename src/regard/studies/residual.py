"""Residual connections: with and without them, how deep models learn, and how alike depth makes all positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from regard.config import setting
from regard.evaluation.interval import Interval
from regard.looking.trends import Panel, trends
from regard.studies.depth.alikeness import ATTENTION, KINDS, RESIDUAL, alikeness
from regard.studies.depth.collapse import BETWEEN, collapses, drawn, power, sentence_of
from regard.studies.frame.arms import Arm, Outcome, of_family, try_arms
from regard.studies.frame.pairs import pairs_of
from regard.studies.frame.plan import plan_of
from regard.studies.frame.study import Findings, Order, Picture, Study, Table
from regard.studies.frame.summary import curve_panel, outcome_numbers, text_over_seeds, told
from regard.studies.frame.verdict import Difference, all_held, loss_difference, over_seeds

WITH, WITHOUT, PRE = "with residuals", "without", "with residuals, pre-norm"
ARMS: Mapping[str, Mapping[str, Any]] = {
    WITH: {"norm": "post"},
    WITHOUT: {"norm": "post", "residual": False},
    PRE: {"norm": "pre"},
}
NOTABLE = 0.1  # nats per token between models that learnt and did not
MODEL = {"d_model": 128, "d_ff": 256, "heads": 4, "dropout": 0.1}


@dataclass(frozen=True)
class Residual:
    """What the study does. ``depths`` are N, the blocks of the encoder and of the decoder."""

    model: Mapping[str, Any] = field(default_factory=lambda: MODEL)
    depths: tuple[int, ...] = setting((1, 2, 4, 8), help="blocks of the encoder, and of the decoder")
    untrained: int = setting(16, help="blocks of the untrained encoders", minimum=2)
    draws: int = setting(20, help="untrained encoders of each kind", minimum=2)
    width: int = setting(64, help="d_model of the untrained encoders", minimum=4)
    test: int = setting(500, help="texts of the test", minimum=2)
    steps: int = setting(2000, help="updates of each model", minimum=1)
    batch_tokens: int = setting(2048, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(1e-3, help="peak of the learning rate", minimum=0.0)


FULL = Residual()
QUICK = replace(
    FULL,
    model={**MODEL, "d_model": 32, "d_ff": 64, "heads": 2},
    depths=(1, 2, 4),
    draws=5,
    test=100,
    steps=200,
    batch_tokens=512,
    learning_rate=2e-3,
)
Tried = Mapping[str, Mapping[int, Sequence[Outcome]]]  # by arm and depth


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a corpus that is too small."""
    settings = QUICK if order.quick else FULL
    pairs = pairs_of(order)
    pairs = pairs.testing(pairs.test[: settings.test])
    arms = [_arm(settings, name, depth) for name in ARMS for depth in settings.depths]
    outcomes = try_arms(arms, pairs, order.seeds, order.watch)
    tried = {name: {depth: outcomes[_name(name, depth)] for depth in settings.depths} for name in ARMS}
    worse = {depth: loss_difference(tried[WITH][depth], tried[WITHOUT][depth]) for depth in settings.depths}
    alike = {kind: alikeness(kind, settings.untrained, settings.width, settings.draws, order.seed) for kind in KINDS}
    rank = collapses(*(power(alike[kind]["apart"]) for kind in (ATTENTION, RESIDUAL)))
    trained = hurt(worse[max(settings.depths)])
    return Findings(
        f"{_sentence(worse)} {sentence_of(alike)}",
        {
            "arms": outcome_numbers(outcomes),
            "without minus with": {str(depth): {"value": one.value, "sure": one.sure} for depth, one in worse.items()},
            "held": {"rank": rank, "training": trained},
            "power": {kind: asdict(power(measured["apart"])) for kind, measured in alike.items()},
            "untrained": {
                kind: {name: [float(x) for x in values.mean(0)] for name, values in measured.items()}
                for kind, measured in alike.items()
            },
        },
        [_table(tried, worse)],
        [_picture(tried, settings), drawn(alike)],
        told(order, settings, pairs),
        _NOTES,
        all_held((rank, trained)),
    )


def hurt(deepest: Difference) -> bool | None:
    """Of the test loss without residual connections minus that with them, at the largest depth.

    None also where the difference is sure but less than NOTABLE: then neither of the two has learnt, or both have.
    """
    if abs(deepest.value) < NOTABLE:
        return None
    return True if deepest.larger else False if deepest.smaller else None


def begins(worse: Mapping[int, Difference]) -> int | None:
    """The least depth from which on all losses are surely larger without residual connections; None: there is none."""
    first = None
    for depth in sorted(worse, reverse=True):
        if not worse[depth].larger:
            break
        first = depth
    return first


def _name(arm: str, depth: int) -> str:
    return f"{arm}, N = {depth}"


def _arm(settings: Residual, name: str, depth: int) -> Arm:
    model = {**settings.model, **ARMS[name], "layers": depth}
    return Arm(_name(name, depth), of_family("transformer", model), plan_of(settings))


def _sentence(worse: Mapping[int, Difference]) -> str:
    deepest, first = max(worse), begins(worse)
    when = "at no depth surely worse" if first is None else f"surely worse from N = {first} on"
    return (
        f"Without residual connections the test loss is {when}; at N = {deepest} it is "
        f"{worse[deepest].text('nats per token', 3)} against the same model with them."
    )


def _table(tried: Tried, worse: Mapping[int, Difference]) -> Table:
    rows = [
        (
            f"N = {depth}",
            *(text_over_seeds([one.nats_per_token for one in found[depth]], 3) for found in tried.values()),
            *(text_over_seeds([one.bleu for one in found[depth]]) for found in tried.values()),
            worse[depth].text("nats", 3),
        )
        for depth in worse
    ]
    columns = [f"{what}, {name}" for what in ("test loss", "BLEU") for name in tried]
    note = (
        "Nats per token; greedy BLEU. Over several seeds: mean and 95 % t interval. All but the third arm: post-norm."
    )
    return Table("By depth", ("", *columns, f"loss {WITHOUT} minus {WITH}"), rows, note)


def _picture(tried: Tried, settings: Residual) -> Picture:
    def lines(value: str) -> dict[str, list[tuple[float, Interval]]]:
        return {
            name: [(depth, over_seeds([getattr(one, value) for one in group])) for depth, group in found.items()]
            for name, found in tried.items()
        }

    deepest = {name: found[max(settings.depths)] for name, found in tried.items()}
    across = "N, blocks of each half"
    panels = [
        Panel(lines("nats_per_token"), across, "test loss, nats per token", "Lower is better", log_x=True),
        Panel(lines("bleu"), across, "BLEU", "Higher is better", log_x=True, limits=(0, None)),
        curve_panel(deepest, f"Training at N = {max(settings.depths)}"),
    ]
    caption = "Test loss and BLEU by depth, and the curves of the deepest models. Bands: 95 % over the seeds."
    return Picture("residual", trends(panels, "With and without residual connections"), caption)


_NOTES = (
    "The rule: the claim holds where both of these do. Before training, attention alone surely raises what "
    f"distinguishes positions to a power above {BETWEEN:g}, nearer to the 3 of Dong et al. than to the 1 of an "
    f"exponential fall, and with residual connections surely below {BETWEEN:g}. After training, the deepest model "
    f"without them is surely worse, by at least {NOTABLE} nats per token. It does not hold where one of these is "
    "surely the other way.",
    "Models without residual connections have post-norm, as those that they are compared with; pre-norm, a third arm, "
    "has no counterpart without.",
    "Dong et al. measure the residual in a composite norm of pure attention without layer norm; here it is Frobenius' "
    "norm, taken after each block with its layer norm, which leaves directions as they are but lengths not.",
    "One learning rate for all depths: a model without them might learn with another, or another start.",
)

STUDY = Study(
    "residual",
    "Residual connections and depth",
    "Does depth destroy information where there are no residual connections?",
    run,
    takes=("source", "target"),
    claim='"Pure attention loses rank doubly exponentially with depth", and skip connections stop it '
    "(Dong et al. 2021, title and section 2)",
)
