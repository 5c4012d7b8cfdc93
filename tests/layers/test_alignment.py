"""The attention of recurrent models, against sums written out and numbers by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from regard.layers.alignment import Alignment, additive_alignment, dot_alignment, general_alignment

pytestmark = pytest.mark.usefixtures("path")
EXACT = {"rtol": 0, "atol": 1e-12}
D, M = 6, 4
KINDS = {
    "additive": (lambda: additive_alignment(D, M, 5), M),
    "dot": (dot_alignment, D),
    "general": (lambda: general_alignment(D, M), M),
}


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


def made(kind: str) -> tuple[Alignment, Tensor, Tensor]:
    """An alignment, three queries of two sentences, and the memories of these."""
    build, d_memory = KINDS[kind]
    alignment = build().double()
    for weight in alignment.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return alignment, torch.randn(2, 3, D).double(), torch.randn(2, 7, d_memory).double()


def score(kind: str, alignment: Alignment, state: Tensor, memory: Tensor) -> Tensor:
    """The papers' formulas, for one state and one memory."""
    if kind == "additive":
        v, w, u = alignment.similarity.weight[0], alignment.query.weight, alignment.key
        return v @ torch.tanh(w @ state + u.weight @ memory + u.bias)
    return state @ (memory if kind == "dot" else alignment.key.weight @ memory)


def test_it_is_the_formula_of_its_paper(kind):
    alignment, x, memory = made(kind)
    found = alignment(x, alignment.remember(memory))
    for b in range(2):
        for t in range(3):
            scores = torch.stack([score(kind, alignment, x[b, t], m) for m in memory[b]])
            torch.testing.assert_close(found[b, t], scores.softmax(0) @ memory[b], **EXACT)


def test_dot_by_hand():
    """Scores 0 and ln 3: weights ¼ and ¾."""
    memory = torch.tensor([[[0.0, 8.0], [math.log(3.0), 4.0]]], dtype=torch.float64)
    alignment = dot_alignment()
    found = alignment(torch.tensor([[[1.0, 0.0]]]).double(), alignment.remember(memory))
    assert found.flatten().tolist() == pytest.approx([0.75 * math.log(3.0), 5.0], abs=1e-12)


def test_what_the_mask_hides_is_not_there(kind):
    alignment, x, memory = made(kind)
    mask = torch.ones(2, 1, 1, 7, dtype=torch.bool)
    mask[1, ..., 4:] = False
    found = alignment(x, alignment.remember(memory), mask)
    shorter = alignment(x[1:], alignment.remember(memory[1:, :4]))
    torch.testing.assert_close(found[1:], shorter, **EXACT)
    torch.testing.assert_close(found[:1], alignment(x[:1], alignment.remember(memory[:1])), **EXACT)


def test_its_recorder_gets_the_weights(kind):
    alignment, x, memory = made(kind)
    unrecorded = alignment(x, alignment.remember(memory))
    records = []
    alignment.recorder = records.append
    found = alignment(x, alignment.remember(memory))
    (weights,) = records
    assert weights.shape == (2, 1, 3, 7)
    torch.testing.assert_close(weights[:, 0] @ memory, found, **EXACT)
    torch.testing.assert_close(found, unrecorded, **EXACT)


def test_each_query_looks_for_itself(kind):
    alignment, x, memory = made(kind)
    together = alignment(x, alignment.remember(memory))
    for t in range(3):
        alone = alignment(x[:, t : t + 1], alignment.remember(memory))
        torch.testing.assert_close(alone, together[:, t : t + 1], **EXACT)
