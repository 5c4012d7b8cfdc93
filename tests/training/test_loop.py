"""The training loop against a slow twin, and the laws of its order, its chance and its failures."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.data.batching import Batch, plan_batches
from regard.errors import TrainingError
from regard.tasks.loss import Losses
from regard.tasks.text_to_text import shift_right
from regard.tasks.translation import Translation
from regard.training.checkpoint import restore_checkpoint, save_checkpoint
from regard.training.loop import Trainer, seed_of_step
from regard.training.optimizer import Optimizer, RateGroup

SYMBOLS = 8
CLIP = 1.0


def run(trainer: Trainer, until: int) -> list[Any]:
    return list(trainer.steps(until))


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether two sets of tensors have the same names and the same bits."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def gradients(trainer: Trainer) -> dict[str, Tensor]:
    """The gradient of the first step, out of Adam's memory of it: mean = (1 − β₁) · gradient."""
    ending = "/exp_avg"
    state = trainer.tensors()
    return {key: value / (1 - trainer.settings.beta1) for key, value in state.items() if key.endswith(ending)}


# The slow twin: torch's own cross entropy, clipping and optimizer, one pair at a time, every step spelled out ---------


def slow_loss(model: nn.Module, batch: Batch, smoothing: float) -> Tensor:
    """The sum over target tokens, by torch's cross entropy over the ids that may be predicted."""
    total = torch.zeros((), dtype=torch.float64)
    for source, target in zip(batch.source, batch.target, strict=True):
        source, target = source[source != model.pad][None], target[target != model.pad][None]
        logits = model.logits(model(source, shift_right(target, model.start)))[0, :, : model.pad]
        total = total + functional.cross_entropy(logits, target[0], label_smoothing=smoothing, reduction="sum")
    return total


def slow_rate(step: int, peak: float, warmup: int, steps: int) -> float:
    """A cosine after a warm-up, as in Loshchilov & Hutter 2017."""
    if step <= warmup:
        return peak * step / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


# Clipping here divides by the norm itself, torch by the norm + 1e-6: hence tolerances of a few 1e-7.
def slow_twin(trainer: Trainer, batches: list[list[Batch]], kind: type[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Train the trainer's model on groups of batches; the running average of its weights after the last."""
    settings, model = trainer.settings, trainer.model
    parameters = dict(model.named_parameters())
    optimizer = kind(
        parameters.values(),
        lr=1.0,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        weight_decay=settings.weight_decay,
        foreach=False,
    )
    average = {name: weight.detach().clone() for name, weight in parameters.items()}
    for step, group in enumerate(batches, start=1):
        optimizer.zero_grad()
        tokens = sum(int((batch.target != model.pad).sum()) for batch in group)
        (sum(slow_loss(model, batch, settings.label_smoothing) for batch in group) / tokens).backward()
        norm = math.sqrt(sum(float((weight.grad**2).sum()) for weight in parameters.values()))
        for weight in parameters.values():
            weight.grad *= min(1.0, settings.clip / norm)
        optimizer.param_groups[0]["lr"] = slow_rate(step, settings.learning_rate, settings.warmup, settings.steps)
        optimizer.step()
        decay = min(settings.average_decay, (1 + step) / (10 + step))
        for name, weight in parameters.items():
            average[name] = decay * average[name] + (1 - decay) * weight.detach()
    return average


@pytest.mark.parametrize(
    ("kind", "decay", "reference"), [("adam", 0.0, torch.optim.Adam), ("adamw", 0.1, torch.optim.AdamW)]
)
def test_the_steps_are_those_of_a_slow_twin(copying, trainer_of, kind, decay, reference):
    settings = {
        "optimizer": kind,
        "weight_decay": decay,
        "average": "running",
        "clip": CLIP,
        "accumulate": 2,
        "average_decay": 0.5,
        "epsilon": 1e-3,
    }
    data = copying()
    fast, slow = (trainer_of(data, model={"dropout": 0.0}, double=True, **settings) for _ in range(2))
    slow.model.train()
    steps = run(fast, 6)
    assert min(step.gradient_norm for step in steps) < CLIP < max(step.gradient_norm for step in steps)
    batches = [data.collate(np.array(rows)) for rows in list(data.seen)]
    average = slow_twin(slow, list(zip(batches[::2], batches[1::2], strict=True)), reference)
    for name, weight in slow.model.named_parameters():
        torch.testing.assert_close(fast.weights.tensors()[name], weight.detach(), rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(fast.kept_weights()[name], average[name], rtol=1e-6, atol=1e-8)


def test_what_a_step_reports_is_what_it_did(copying, trainer_of):
    data = copying()
    trainer = trainer_of(data, model={"dropout": 0.0}, double=True, label_smoothing=0.1, clip=0.0)
    before = trainer_of(data, model={"dropout": 0.0}, double=True).model
    (step,) = run(trainer, 1)
    batch = data.collate(np.array(data.seen[0]))
    tokens = sum(len(data.rows[row]) + 1 for row in data.seen[0])
    assert (step.number, step.epoch, step.target_tokens) == (1, 0, tokens)
    assert step.loss == pytest.approx(slow_loss(before, batch, 0.1).item() / tokens)
    assert step.plain_loss == pytest.approx(slow_loss(before, batch, 0.0).item() / tokens)
    assert step.learning_rate == pytest.approx(0.01 / 3)
    squares = sum(float((gradient**2).sum()) for gradient in gradients(trainer).values())
    assert step.gradient_norm == pytest.approx(math.sqrt(squares))


# One batch or many -------------------------------------------------------------------------------------------------


def test_two_half_batches_accumulated_are_one_whole_batch(copying, trainer_of):
    """The halves have unlike numbers of tokens, so a mean of their means would be another gradient."""
    halves = copying(count=12, plan=[[0, 1, 2, 3], [4, 5, 6, 7, 8, 9, 10, 11]])
    whole = copying(count=12, plan=[[*range(12)]])
    settings = {"model": {"dropout": 0.0}, "double": True, "clip": 0.0}
    one, two = trainer_of(whole, **settings), trainer_of(halves, accumulate=2, **settings)
    (first,), (second,) = run(one, 1), run(two, 1)
    assert second.target_tokens == first.target_tokens
    assert second.loss == pytest.approx(first.loss, rel=1e-12)
    for name, gradient in gradients(one).items():
        torch.testing.assert_close(gradients(two)[name], gradient, rtol=1e-9, atol=1e-12)
    assert halves.seen == [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9, 10, 11]]


def test_accumulation_of_rounded_gradients_is_in_float32(copying, trainer_of):
    """Four batches of equally many tokens: a quarter of a rounded gradient is rounded alike, so that the sum of four
    is exact but for float32's own rounding, a thousand times finer than bfloat16's."""
    settings = {"model": {"dropout": 0.0}, "clip": 0.0, "precision": "bfloat16"}
    together = trainer_of(copying(4, 5, 5, plan=[[0], [1], [2], [3]]), accumulate=4, **settings)
    alone = [trainer_of(copying(4, 5, 5, plan=[[row]]), **settings) for row in range(4)]
    for trainer in (together, *alone):
        run(trainer, 1)
        assert all(weight.dtype == torch.bfloat16 for weight in trainer.model.parameters())
        assert all(tensor.dtype == torch.float32 for tensor in trainer.tensors().values())
    for name, gradient in gradients(together).items():
        expected = sum(gradients(trainer)[name].double() for trainer in alone) / 4
        scale = float(expected.abs().max())
        torch.testing.assert_close(gradient.double(), expected, rtol=0.0, atol=1e-5 * scale)


# Clipping ------------------------------------------------------------------------------------------------------------


def test_clipping_cuts_the_gradient_to_its_limit_and_keeps_its_direction(copying, trainer_of):
    free, cut = (trainer_of(copying(), clip=clip) for clip in (0.0, 0.01))
    (step,), (other,) = run(free, 1), run(cut, 1)
    assert step.gradient_norm == other.gradient_norm > 0.1
    whole, limited = (torch.cat([g.flatten() for g in gradients(one).values()]) for one in (free, cut))
    assert float(limited.norm()) == pytest.approx(0.01, rel=1e-3)
    torch.testing.assert_close(limited, whole * 0.01 / step.gradient_norm, rtol=1e-3, atol=1e-9)


def test_a_gradient_below_the_limit_is_left_alone(copying, trainer_of):
    free, cut = (trainer_of(copying(), clip=clip) for clip in (0.0, 1000.0))
    run(free, 4), run(cut, 4)
    assert same(free.tensors(), cut.tensors())


def test_what_is_named_and_lower_blocks_move_less_in_a_step(copying, trainer_of):
    """Adam's first step is as long as the rate, whatever the gradient."""
    changed = {"slower": ("decoder.",), "slower_factor": 0.25, "layer_decay": 0.5, "optimizer": "adam"}
    trainer = trainer_of(copying(), **changed)
    before = copied(trainer.model.state_dict())
    (step,) = run(trainer, 1)
    after = trainer.model.state_dict()
    moved = {name: float((after[name] - before[name]).abs().max() / step.learning_rate) for name in before}
    assert moved["encoder.blocks.0.feed_forward.outer.weight"] == pytest.approx(0.5, rel=0.01)
    assert moved["decoder.blocks.0.feed_forward.outer.weight"] == pytest.approx(0.125, rel=0.01)


# Order ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_every_pair_is_seen_once_an_epoch_in_the_order_of_seed_and_epoch(copying, trainer_of, accumulate):
    data = copying()
    size = len(data.epoch(0))
    assert size % 2 or size % 3, "an update should straddle two epochs"
    run(trainer_of(data, accumulate=accumulate), -(-3 * size // accumulate))
    for epoch in range(3):
        rows = data.seen[epoch * size : (epoch + 1) * size]
        assert sorted(chain.from_iterable(rows)) == list(range(len(data.rows)))
        assert rows == [batch.tolist() for batch in plan_batches(data.lengths, data.batch_tokens, data.seed, epoch)]
    assert data.seen[:size] != data.seen[size : 2 * size]


def test_the_order_is_another_with_another_seed(copying):
    first, second = (copying(seed=seed).epoch(0) for seed in (1, 2))
    assert [batch.tolist() for batch in first] != [batch.tolist() for batch in second]


def test_a_step_says_the_epoch_of_its_newest_batch(copying, trainer_of):
    data = copying()
    size = len(data.epoch(0))
    steps = run(trainer_of(data), 2 * size + 1)
    assert [step.epoch for step in steps] == [0] * size + [1] * size + [2]
    assert all(later.number == earlier.number + 1 for earlier, later in pairwise(steps))


# Chance --------------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits(copying, trainer_of):
    first, second = (trainer_of(copying(), model={"dropout": 0.3}) for _ in range(2))
    run(first, 6)
    torch.randn(100)  # whoever draws in between changes nothing
    for _ in second.steps(6):
        torch.randn(7)
    assert same(first.tensors(), second.tensors())


def test_another_seed_gives_other_weights(copying, trainer_of):
    first, second = (trainer_of(copying(seed=seed)) for seed in (1, 2))
    run(first, 3), run(second, 3)
    assert not any(
        torch.equal(a, b)
        for a, b in zip(*(one.weights.tensors().values() for one in (first, second)), strict=True)
        if a.ndim > 1
    )


def test_dropout_differs_from_step_to_step_and_is_on(copying, trainer_of):
    """With a rate of zero the weights stand still, so that only dropout can tell two steps on one batch apart."""
    data = copying(count=6, plan=[[*range(6)]])
    losses = [step.loss for step in run(trainer_of(data, model={"dropout": 0.3}, learning_rate=0.0), 4)]
    assert len(set(losses)) == 4
    still = [step.loss for step in run(trainer_of(data, model={"dropout": 0.0}, learning_rate=0.0), 4)]
    assert len(set(still)) == 1


def test_the_seeds_of_steps_do_not_repeat():
    seeds = {seed_of_step(seed, step) for seed in range(30) for step in range(300)}
    assert len(seeds) == 9000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_loop_does_nothing_before_it_is_asked_and_stops_where_it_was_told(copying, trainer_of):
    data = copying()
    trainer = trainer_of(data)
    steps = trainer.steps(3)
    assert data.seen == []
    next(steps)
    assert (trainer.step, len(data.seen)) == (1, 1)
    assert len(list(steps)) == 2
    assert list(trainer.steps(3)) == []
    assert (trainer.step, len(data.seen)) == (3, 3)


# Failure -------------------------------------------------------------------------------------------------------------


class Failing(Translation):
    """From its ``when``-th call to its ``until``-th, the loss or the gradient is not a number."""

    def __init__(self, how: str, when: int, until: int = 1000) -> None:
        super().__init__(0.1)
        object.__setattr__(self, "_how", (how, when, until, [0]))

    def losses(self, model: Any, batch: Batch) -> Losses:
        how, when, until, calls = self._how  # type: ignore[attr-defined]
        calls[0] += 1
        losses = super().losses(model, batch)
        if not when <= calls[0] <= until:
            return losses
        nothing = model.output.weight.double().sum() * 0.0
        spoiled = {
            "loss": losses.smoothed * torch.nan,
            "infinite loss": losses.smoothed + torch.inf,
            "gradient": losses.smoothed + nothing.sqrt(),  # d√0 is infinite
        }
        return Losses(spoiled[how], losses.plain)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("how", "message"), [("loss", "loss nan"), ("infinite loss", "loss inf"), ("gradient", "gradient norm nan")]
)
def test_a_loss_or_gradient_that_is_no_number_changes_nothing_and_at_the_fourth_in_a_row_ends_training(
    copying, trainer_of, how, message, precision
):
    data = copying()
    trainer = trainer_of(data, task=Failing(how, when=4), average="running", precision=precision)
    steps = trainer.steps(12)
    for _ in range(3):
        assert not next(steps).skipped
    before = copied(trainer.tensors())
    for number in (4, 5, 6):
        step = next(steps)
        assert (step.number, step.skipped) == (number, True)
        assert message in step.notice
        assert f"epoch 1, batch {number}, " in step.notice
        assert same(trainer.tensors(), before)
    with pytest.raises(TrainingError, match=message) as caught:
        next(steps)
    rows = data.feed.epoch(0)[6]
    named = f"the 4th in a row (epoch 1, batch 7, {len(rows)} rows of the prepared data: "
    assert named + ", ".join(map(str, rows[:10])) in str(caught.value)
    assert "expected finite numbers; lower train.learning_rate" in str(caught.value)
    assert caught.value.exit_code == 1
    assert trainer.step == 6
    assert same(trainer.tensors(), before)
    assert all(torch.isfinite(tensor).all() for tensor in before.values())


def test_one_bad_batch_of_several_spoils_the_update_and_no_other(copying, trainer_of):
    trainer = trainer_of(copying(), task=Failing("loss", when=2, until=2), accumulate=2)
    before = copied(trainer.weights.tensors())
    steps = trainer.steps(2)
    assert next(steps).skipped
    assert same(trainer.weights.tensors(), before)
    assert not next(steps).skipped
    assert not same(trainer.weights.tensors(), before)
    assert trainer.skipped == 0


def test_a_step_that_is_skipped_leaves_running_statistics_as_they_were(copying, trainer_of):
    """Its forward pass has moved them already, and may have made them NaN."""
    task = Failing("loss", when=3, until=4)
    trainer = trainer_of(copying(), task=task, model={"norm_kind": "batch"}, accumulate=2)
    steps = trainer.steps(3)
    next(steps)
    before = copied(trainer.weights.statistics())
    assert before
    assert next(steps).skipped
    assert same(trainer.weights.statistics(), before)
    assert not next(steps).skipped
    assert not same(trainer.weights.statistics(), before)


def test_a_stop_among_skipped_steps_does_not_begin_to_count_anew(copying, trainer_of, tmp_path):
    first = trainer_of(copying(), task=Failing("loss", when=1))
    run(first, 2)
    saved = save_checkpoint(tmp_path, first, {})
    second = trainer_of(copying(), task=Failing("loss", when=1))
    restore_checkpoint(saved, second)
    with pytest.raises(TrainingError, match="step 4: got loss nan"):
        run(second, 12)


class Hungry(Translation):
    """Asks for more memory than there is where a batch has more than ``most`` texts, after the model or before it."""

    def __init__(self, most: int, *, before: bool = False) -> None:
        super().__init__(0.1)
        object.__setattr__(self, "_most", (most, before))

    def losses(self, model: Any, batch: Batch) -> Losses:
        most, before = self._most  # type: ignore[attr-defined]
        losses = None if before and len(batch.source) > most else super().losses(model, batch)
        if len(batch.source) > most:
            torch.empty(2**60, dtype=torch.uint8)
        assert losses is not None
        return losses


def test_a_batch_that_finds_no_memory_is_done_in_halves_with_the_same_gradient(copying, trainer_of):
    data = copying()
    rows = data.feed.epoch(0)[0]
    whole, halved = (
        trainer_of(copying(), task=task, model={"dropout": 0.0}, clip=0.0)
        for task in (Translation(0.1), Hungry(len(rows) // 2 + 1))
    )
    (step,), (other,) = list(whole.steps(1)), list(halved.steps(1))
    assert other.notice.startswith(f"step 1: no memory for a batch of {len(rows)} rows")
    assert other.notice.endswith("; done in halves")
    assert (other.target_tokens, step.notice) == (step.target_tokens, "")
    assert other.loss == pytest.approx(step.loss, rel=1e-6)
    assert other.gradient_norm == pytest.approx(step.gradient_norm, rel=1e-5)


def test_at_which_moment_the_memory_ran_out_makes_no_difference(copying, trainer_of):
    """Neither to what dropout draws in the halves, nor to the running statistics, which a forward pass moves."""
    most = len(copying().feed.epoch(0)[0]) // 2 + 1
    model = {"dropout": 0.3, "norm_kind": "batch"}
    early, late = (trainer_of(copying(), task=Hungry(most, before=one), model=model) for one in (True, False))
    assert all("done in halves" in run(trainer, 1)[0].notice for trainer in (early, late))
    assert same(early.tensors(), late.tensors())


def test_where_halves_do_not_do_either_it_is_said_what_would(copying, trainer_of):
    trainer = trainer_of(copying(), task=Hungry(1), batch_tokens=256)
    before = copied(trainer.tensors())
    expected = r"step 1: got .*; expected memory for half a batch; lower train\.batch_tokens to a quarter of 256"
    with pytest.raises(TrainingError, match=expected):
        run(trainer, 1)
    assert same(trainer.tensors(), before)


def test_another_error_is_not_taken_for_one_of_memory(copying, trainer_of):
    class Broken(Translation):
        def losses(self, model: Any, batch: Batch) -> Losses:
            raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        run(trainer_of(copying(), task=Broken(0.1)), 1)


class Noting(Translation):
    """Keeps the loss of every batch."""

    def __init__(self) -> None:
        super().__init__(0.1)
        object.__setattr__(self, "found", [])

    def losses(self, model: Any, batch: Batch) -> Losses:
        losses = super().losses(model, batch)
        self.found.append(losses.plain.item())  # type: ignore[attr-defined]
        return losses


def test_what_a_batch_draws_depends_on_its_place_in_the_step_and_on_no_other_batch(copying, trainer_of):
    """Dropout of the first batch is that of a step of one batch, whatever follows; that of the second, whatever led."""
    wide, narrow, last = [0, 1, 2, 3, 4], [5], [6, 7]

    def losses(*plan: list[int]) -> list[float]:
        task = Noting()
        data = copying(plan=list(plan))
        run(trainer_of(data, task=task, model={"dropout": 0.3}, accumulate=len(plan)), 1)
        return task.found  # type: ignore[attr-defined]

    alone, followed, other = losses(wide), losses(wide, last), losses(narrow, last)
    assert followed[0] == alone[0]
    assert followed[1] == other[1]
    assert losses(last, last)[0] != losses(last, last)[1]


def test_no_two_batches_draw_from_the_same_seed():
    seeds = {seed_of_step(seed, step, place) for seed in range(5) for step in range(5) for place in range(5)}
    assert len(seeds) == 125


# Learning ------------------------------------------------------------------------------------------------------------


def test_it_learns_to_copy(copying, trainer_of):
    """Who does not look at the source cannot do better than the entropy of the strings: 5 of 6 tokens are uniform
    among 8 symbols, and the sixth is </s>. So a loss far below 5/6 · ln 8 = 1.73 nats is proof of looking."""
    blind = 5 / 6 * math.log(SYMBOLS)
    data = copying(count=400, shortest=5, longest=5, batch_tokens=192)
    trainer = trainer_of(
        data, model={"d_model": 32, "d_ff": 64, "dropout": 0.0}, steps=200, warmup=20, label_smoothing=0.0
    )
    losses = [step.plain_loss for step in trainer.steps(200)]
    assert losses[0] > blind
    assert np.mean(losses[-20:]) < blind / 10


# Batches in which there is nothing to predict ------------------------------------------------------------------------


def emptied(data: Any, empty: set[int]) -> None:
    """The batches that hold one of the rows ``empty`` say that they have no target tokens."""
    collate = data.collate
    data.collate = lambda rows: replace(
        collate(rows), target_tokens=0 if empty & set(rows.tolist()) else collate(rows).target_tokens
    )


def test_a_batch_without_anything_to_predict_is_passed_over(copying, trainer_of):
    """As if it were not in the plan; the place in the data goes on, so that stopping there changes nothing."""
    plan = [[0, 1], [2, 3], [4, 5], [6, 7]]
    skipping, without = copying(plan=plan), copying(plan=[plan[0], plan[2], plan[3]])
    emptied(skipping, {3})
    first, second = trainer_of(skipping), trainer_of(without)
    reports = run(first, 7), run(second, 7)
    assert [step.loss for step in reports[0]] == [step.loss for step in reports[1]]
    assert same(first.tensors(), second.tensors())
    assert [(step.number, step.epoch) for step in reports[0]] == [
        (1, 0),
        (2, 0),
        (3, 0),
        (4, 1),
        (5, 1),
        (6, 1),
        (7, 2),
    ]
    part = trainer_of(skipping)
    run(part, 1)
    kept, place = copied(part.tensors()), replace(part.place)
    again = trainer_of(skipping)
    again.restore(kept, 1, place)
    run(again, 7)
    assert same(again.tensors(), first.tensors())


@pytest.mark.parametrize("plan", [[[0, 1]], [[0, 1], [2, 3], [4, 5]]], ids=len)
def test_data_without_anything_to_predict_ends_training(copying, trainer_of, plan):
    data = copying(plan=plan)
    emptied(data, set(range(6)))
    with pytest.raises(
        TrainingError, match="step 1: got an epoch of batches without anything to predict; expected tokens or labels"
    ):
        run(trainer_of(data), 1)
    assert {row for rows in data.seen for row in rows} == {row for rows in plan for row in rows}


def test_a_weight_that_the_task_does_not_read_stays_and_is_in_the_checkpoint(copying, trainer_of):
    data = copying()
    other = trainer_of(data)
    spare = nn.Parameter(torch.ones(3))
    ((group, rule),) = other.optimizer.groups
    more = RateGroup(1.0, (*group.names, "spare"), (*group.parameters, spare))
    other.optimizer = Optimizer([(more, rule)])
    run(other, 2)
    assert torch.equal(spare, torch.ones(3))
    assert torch.equal(other.tensors()["optimizer/spare/exp_avg"], torch.zeros(3))
