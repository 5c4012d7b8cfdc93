from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from regard.data.batching import Batch
from regard.data.noise import InfillNoise, Pieces, SpanNoise
from regard.tasks.denoising import Infilling, SpanCorruption
from regard.tasks.translation import Translation

TEXTS = [np.arange(10, 50), np.arange(60, 75), np.array([8])]
EOS, PAD, TARGET_PAD, MASK = 1, 0, 2, 3
SENTINELS = list(range(199, 99, -1))
PIECES = Pieces(MASK, np.arange(200) < 4, sentence_ends=np.isin(np.arange(200), [20, 30, 65]))


def rows(ids: torch.Tensor, pad: int) -> list[list[int]]:
    """Each row up to its end, which has to be there."""
    found = [[index for index in row if index != pad] for row in ids.tolist()]
    assert all(row.pop() == EOS for row in found)
    return found


def test_what_span_corruption_leaves_out_is_in_the_target() -> None:
    torch.manual_seed(1)
    batch = SpanCorruption().collate(TEXTS, SENTINELS, (PAD, TARGET_PAD), EOS)
    sources, targets = rows(batch.source, PAD), rows(batch.target, TARGET_PAD)
    assert batch.source_tokens == sum(map(len, sources)) + 3
    assert batch.target_tokens == sum(map(len, targets)) + 3
    for text, source, target in zip(TEXTS, sources, targets, strict=True):
        words = [index for index in (*source, *target) if index < 100]
        assert sorted(words) == text.tolist()
    assert [len([index for index in target if index < 100]) for target in targets] == [6, 2, 0]
    assert targets[2] == [199]


def test_the_target_of_infilling_is_the_text_as_it_was() -> None:
    ordered = []
    for _ in range(10):
        batch = Infilling().collate(TEXTS, PIECES, (PAD, TARGET_PAD), EOS)
        assert rows(batch.target, TARGET_PAD) == [text.tolist() for text in TEXTS]
        kept = [index for index in rows(batch.source, PAD)[0] if index != MASK]
        assert len(kept) == 40 - 12
        ordered.append(kept == sorted(kept))
    assert not all(ordered)  # the sentences have changed places


def test_sentences_stay_in_order_where_that_is_wanted_or_nothing_is_known_of_their_ends() -> None:
    for task, pieces in (
        (Infilling(InfillNoise(permute=False)), PIECES),
        (Infilling(), Pieces(MASK, np.arange(200) < 4)),
    ):
        for _ in range(5):
            for source in rows(task.collate(TEXTS, pieces, (PAD, PAD), EOS).source, PAD):
                kept = [index for index in source if index != MASK]
                assert kept == sorted(kept)


@pytest.mark.parametrize("task", [SpanCorruption(SpanNoise(0.5)), Infilling()])
def test_noise_is_drawn_anew_each_time_from_torch_s_chance(task: SpanCorruption | Infilling) -> None:
    def draw() -> torch.Tensor:
        if isinstance(task, SpanCorruption):
            return task.collate(TEXTS, SENTINELS, (PAD, PAD), EOS).source
        return task.collate(TEXTS, PIECES, (PAD, PAD), EOS).source

    torch.manual_seed(4)
    first, second = draw(), draw()
    assert not torch.equal(first, second)
    torch.manual_seed(4)
    assert torch.equal(draw(), first)


class Echo(torch.nn.Module):
    """A decoder whose states are those of what it is fed."""

    def __init__(self, transform_by: float = 1.0, pad: int | None = 0) -> None:
        super().__init__()
        self.ids = SimpleNamespace(pad=pad, start=5)
        self.table = torch.nn.Parameter(torch.randn(9, 4, dtype=torch.float64))
        self.output = SimpleNamespace(weight=self.table, bias=None, never=None)
        self.factor = transform_by
        self.fed: list[list[list[int]]] = []

    def forward(self, source: torch.Tensor, target_in: torch.Tensor) -> torch.Tensor:
        self.fed.append(target_in.tolist())
        return self.table[target_in]

    def transform(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden * self.factor


@pytest.mark.parametrize(
    "task", [SpanCorruption(label_smoothing=0.2), Infilling(label_smoothing=0.2), Translation(0.2)]
)
@pytest.mark.parametrize("pad", [0, None])
def test_the_loss_of_text_to_text_is_that_of_the_transformed_states(task, pad: int | None) -> None:
    """As T5 has it: hidden · d_model^-½ before an output layer without a bias; here, half."""
    target = torch.tensor([[3, 4, 1], [2, 1, 0]])
    model = Echo(0.5, pad)
    losses = task.losses(model, Batch(torch.tensor([[1], [1]]), target, 2, 5))
    assert model.fed == [[[5, 3, 4], [5, 2, 1]]]
    counted = target != (-1 if pad is None else pad)
    logits = 0.5 * model.table[torch.tensor(model.fed[0])][counted] @ model.table.T
    expected = functional.cross_entropy(logits, target[counted], label_smoothing=0.2, reduction="sum")
    torch.testing.assert_close(losses.smoothed, expected, rtol=0, atol=1e-9)
