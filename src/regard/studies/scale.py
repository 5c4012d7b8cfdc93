"""Scale (Kaplan et al. 2020 in small): models of several sizes learn from equally many tokens of one text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice, pairwise

import torch

from regard.config import setting
from regard.data.builtin import sample
from regard.data.corpus import read_lines
from regard.errors import DataError
from regard.studies.frame.plan import plan_of
from regard.studies.frame.study import Findings, Order, Study, Table
from regard.studies.frame.summary import text_over_seeds, told
from regard.studies.frame.verdict import Difference, over_seeds
from regard.studies.loss_by_size.law import drawn, power_law
from regard.studies.loss_by_size.lessons import Lesson, taught
from regard.studies.text_tasks.measures import nats_differ
from regard.studies.text_tasks.texts import next_token_feed, text_model, tokenizer_of

LEAST_LINES, MOST_LINES, TEST_LINES, PIECES, LONGEST = 200, 200_000, 500, 2000, 96


@dataclass(frozen=True)
class Size:
    """A GPT-2: its blocks, their width, their heads; d_ff is 4 · d_model."""

    layers: int
    d_model: int
    heads: int


@dataclass(frozen=True)
class Scale:
    """What the study does."""

    sizes: tuple[Size, ...] = (Size(1, 16, 2), Size(2, 32, 2), Size(2, 64, 4), Size(4, 96, 4), Size(5, 128, 4))
    steps: int = setting(2000, help="updates of each model", minimum=1)
    batch_tokens: int = setting(2048, help="padded tokens a batch", minimum=1)
    learning_rate: float = setting(3e-3, help="peak of the learning rate", minimum=0.0)
    marks: int = setting(12, help="times that a model is measured while it learns", minimum=2)


FULL = Scale()
QUICK = replace(
    FULL,
    sizes=(Size(1, 16, 2), Size(1, 32, 2), Size(2, 48, 4), Size(2, 96, 4), Size(4, 128, 4)),
    steps=160,
    batch_tokens=1024,
    marks=7,
)


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a text that is too short."""
    settings = QUICK if order.quick else FULL
    name, train, test = _texts(order)
    tokenizer = tokenizer_of(train) if order.text is None else tokenizer_of(train, "bpe", PIECES)
    learnt, asked = ([ids[:LONGEST] for ids in tokenizer.encode_batch(list(texts)) if ids] for texts in (train, test))
    lessons = []
    for size in settings.sizes:
        group = []
        for seed in order.seeds:
            torch.manual_seed(seed)
            shape = {**asdict(size), "longest": LONGEST + 2, "dropout": 0.0, "attention_dropout": 0.0}
            model = text_model("gpt2", {**shape, "embedding_dropout": 0.0}, tokenizer)
            order.watch.begin(f"{size.layers} layers of width {size.d_model}, seed {seed}", settings.steps)
            feed = next_token_feed(learnt, tokenizer, settings.batch_tokens, seed)
            plan = replace(plan_of(settings), seed=seed, precision="float32")
            group.append(taught(model, feed, plan, settings.marks, asked, tokenizer, order.watch))
        lessons.append(group)
    return _findings(order, settings, name, lessons)


def _texts(order: Order) -> tuple[str, list[str], list[str]]:
    if order.text is None:
        splits = sample.splits()
        train, test = ([pair.english for pair in splits[split]] for split in ("train", "test"))
        return "built in, English", train, test
    lines = [line for line in islice(read_lines(order.text), MOST_LINES) if line.strip()]
    if len(lines) < LEAST_LINES:
        expected, action = f"at least {LEAST_LINES} lines of text", "give a longer text, or none"
        raise DataError.because(order.text, f"{len(lines)} lines", expected, action)
    asked = dict.fromkeys(lines[:: max(10, len(lines) // TEST_LINES)])
    return order.text.name, [line for line in lines if line not in asked], list(asked)


def verdict(steps: Sequence[Difference], ends: Difference) -> bool | None:
    """True: the largest model surely loses less than the smallest, and no size surely more than the one before it.

    False: the largest surely loses more. None: neither.
    """
    if ends.larger:
        return False
    return True if ends.smaller and not any(one.larger for one in steps) else None


def _findings(order: Order, settings: Scale, name: str, lessons: Sequence[Sequence[Lesson]]) -> Findings:
    tests = [[one.test for one in group] for group in lessons]
    steps, ends = [nats_differ(*two) for two in pairwise(tests)], nats_differ(tests[0], tests[-1])
    sizes = [group[0].parameters for group in lessons]
    means = [over_seeds([one.per_token for one in group]).value for group in tests]
    held, slope = verdict(steps, ends), power_law(sizes, means)
    worse = sum(one.larger for one in steps)
    sentence = (
        f"From {sizes[0]:,} to {sizes[-1]:,} parameters the loss on held-out text goes from {means[0]:.3f} to "
        f"{means[-1]:.3f} nats per token ({ends.text('', 3)}), after equally many tokens of text; "
        f"of {len(steps)} steps in size {sum(one.smaller for one in steps)} surely help and {worse} surely hurt. "
        f"A power law through all sizes has the exponent {slope.text(3, 1.0)}."
    )
    rows = [
        (f"{size.layers} × {size.d_model}", count, text_over_seeds([one.per_token for one in group], 3), change)
        for size, count, group, change in zip(
            settings.sizes, sizes, tests, ["", *(one.text("nats", 3) for one in steps)], strict=True
        )
    ]
    table = Table(
        "Loss on held-out text", ("layers × d_model", "parameters", "nats per token", "against the size before"), rows,
        "Parameters without embeddings, as Kaplan et al. count. Over several seeds: mean and 95 % t interval.",
    )  # fmt: skip
    numbers = {
        "parameters": sizes,
        "nats_per_token": [[one.per_token for one in group] for group in tests],
        "exponent": asdict(slope),
        "tokens_seen": lessons[0][0].curve[-1][0],
        "largest_minus_smallest": ends.value,
    }
    facts = told(order, replace(settings, sizes=()), text=name, sizes=[row[0] for row in rows])
    return Findings(sentence, numbers, [table], [drawn(sizes, lessons)], facts, _NOTES, held)


_NOTES = (
    "The rule: the claim holds where the largest model surely loses less than the smallest and no size surely more "
    "than the one before it. That the loss is a power law of the size is not judged: the exponent is shown.",
    "Text has an entropy that no model goes below, and the built-in text, which a small grammar writes at random, has "
    "much of it: towards that floor every curve flattens, so the exponent belongs to these sizes and is no constant.",
    "All sizes have one learning rate and one number of updates; a rate of its own for each could move them.",
    "The loss on the way is measured while the learning rate is still high: only the last point of each curve is that "
    "of a finished model.",
)

STUDY = Study(
    "scale",
    "Scale",
    "Do wider and deeper models learn more from the same text?",
    run,
    takes=("text",),
    claim='"Larger models are significantly more sample-efficient": they lose less after as many tokens of text. '
    "(Kaplan et al. 2020, abstract and section 1.1)",
)
