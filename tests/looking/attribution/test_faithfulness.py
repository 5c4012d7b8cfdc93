"""Deleting words: by hand in a model whose probabilities are known, and one at a time in real ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.looking.attribution.toys import READ, TRANSLATING, WRITTEN
from torch import Tensor, nn

from regard.errors import DataError, SettingError
from regard.looking.attribution import faithfulness as module
from regard.looking.attribution.faithfulness import Pair, faithfulness, losses
from regard.tasks.text_to_text import shift_right

WITH, WITHOUT = math.log(0.9), math.log(0.5)


class NeedsOneWord(nn.Module):
    """P(token 1) = 0.9 where id 5 is read, 0.5 where it is not; whatever the position."""

    decoder = None
    start = 0
    ids = SimpleNamespace(pad=0, source_pad=0)

    def forward(self, read: Tensor, fed: Tensor) -> Tensor:
        there = (read == 5).any(1)
        logit = torch.where(there, math.log(9.0), 0.0)
        return logit[:, None, None].expand(-1, fed.shape[1], 1)

    def logits(self, hidden: Tensor) -> Tensor:
        return torch.cat((torch.zeros_like(hidden), hidden), -1)


PAIR = Pair(read=[5, 6, 7, 8, 2], written=[1, 1], words=[[0], [1], [2, 3]])
RIGHT = torch.tensor([[0.6, 0.1, 0.1, 0.1, 0.1]] * 2)
WRONG = torch.tensor([[0.3, 0.1, 0.2, 0.2, 0.2]] * 2)  # the two pieces of the last word weigh 0.4 together
LATE = torch.tensor([[0.1, 0.1, 0.1, 0.1, 0.6], [0.6, 0.1, 0.1, 0.1, 0.1]])  # token 0 is said to need its end


def test_nats_lost_by_hand():
    found = faithfulness(NeedsOneWord(), [PAIR] * 3, lambda _: {"right": RIGHT, "wrong": WRONG, "late": LATE})
    cost = WITH - WITHOUT  # of a token
    assert found.sentences == 3
    assert found.chance.text.value == pytest.approx(2 * cost / 3, abs=1e-6)
    assert found.chance.token.value == pytest.approx(cost / 3, abs=1e-6)
    assert found.methods["right"].text.value == pytest.approx(2 * cost - 2 * cost / 3, abs=1e-6)
    assert found.methods["right"].token.value == pytest.approx(cost - cost / 3, abs=1e-6)
    assert found.methods["wrong"].text.value == pytest.approx(-2 * cost / 3, abs=1e-6)
    assert found.methods["wrong"].token.value == pytest.approx(-cost / 3, abs=1e-6)
    assert found.methods["late"].text.value == pytest.approx(2 * cost - 2 * cost / 3, abs=1e-6)
    assert found.methods["late"].token.value == pytest.approx(cost / 2 - cost / 3, abs=1e-6)
    assert found.most is not None
    assert found.most.text.value == pytest.approx(4 * cost / 3, abs=1e-6)


def test_the_interval_is_over_sentences():
    helpless = Pair(read=[6, 6, 7, 8, 2], written=[1, 1], words=[[0], [1], [2, 3]])  # nothing matters in it
    found = faithfulness(NeedsOneWord(), [PAIR, helpless] * 20, lambda _: {"right": RIGHT}).methods["right"].text
    most = 4 / 3 * (WITH - WITHOUT)
    assert 0 < found.low < found.value < found.high < most
    assert found.value == pytest.approx(most / 2, abs=1e-6)


def test_two_words_of_three_are_deleted_together():
    found = faithfulness(NeedsOneWord(), [PAIR], lambda _: {"right": RIGHT, "wrong": WRONG}, k=2)
    cost = 2 * (WITH - WITHOUT)
    assert found.chance.text.value == pytest.approx(cost * 2 / 3, abs=1e-6)  # two of the three choices have id 5
    assert found.methods["right"].text.value == pytest.approx(cost / 3, abs=1e-6)
    assert found.methods["wrong"].text.value == pytest.approx(cost / 3, abs=1e-6)  # last word, then the first


def test_many_choices_are_drawn_and_the_same_for_a_seed():
    long = Pair(read=[5, *range(6, 16), 2], written=[1], words=[[n] for n in range(11)])
    explain = {"flat": torch.ones(1, 12)}
    runs = [faithfulness(NeedsOneWord(), [long] * 30, lambda _: explain, k=3, seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert runs[0].most is None
    # Three of eleven words: 3/11 of the choices have id 5; 600 draws.
    assert runs[0].chance.text.value == pytest.approx((WITH - WITHOUT) * 3 / 11, abs=0.05)


def test_what_is_too_short_is_left_out_and_nothing_left_is_refused():
    short = Pair(read=[5, 2], written=[1, 1], words=[[0]])
    assert faithfulness(NeedsOneWord(), [PAIR, short], lambda _: {"right": RIGHT}).sentences == 1
    with pytest.raises(DataError, match=r"texts: got none of more than 1 words; expected one or more; give longer"):
        faithfulness(NeedsOneWord(), [short], lambda _: {"right": RIGHT})
    with pytest.raises(SettingError, match=r"k: got 0; expected 1 word or more to delete; use 1"):
        faithfulness(NeedsOneWord(), [PAIR], lambda _: {}, k=0)


@pytest.mark.parametrize("rows", [1, 4096])
@pytest.mark.parametrize("name", TRANSLATING)
def test_a_batch_of_deletions_is_each_by_itself(
    name: str, rows: int, built: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "ROW_TOKENS", rows)
    model = built(name)
    pair = Pair(READ, WRITTEN, [[0], [1, 2], [3], [4]])
    deletions = [frozenset({1}), frozenset({0, 3}), frozenset({0, 1, 2, 3})]
    found = losses(model, pair, deletions)
    assert set(found) == set(deletions)

    def alone(read: list[int]) -> Tensor:
        labels = torch.tensor([WRITTEN])
        logs = model.logits(model(torch.tensor([read]), shift_right(labels, model.start))).log_softmax(-1)
        return logs[0].gather(1, labels[0, :, None])[:, 0].detach()

    model.eval()
    whole = alone(READ)
    for one, left in zip(deletions, ([5, 11, 6, 2], [9, 4, 11, 2], [2]), strict=True):
        torch.testing.assert_close(torch.from_numpy(found[one]), whole - alone(left), rtol=0, atol=1e-9)
