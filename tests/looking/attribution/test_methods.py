"""All summaries of one text: which there are, and that they can stand on one scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.looking.attribution.toys import OWN, READ, READING, TRANSLATING, WRITTEN

from regard.families import rnn
from regard.looking.attribution import methods
from regard.looking.attribution.methods import summaries, summed
from regard.looking.look import CROSS, DECODER, ENCODER
from regard.looking.replay import attention_of

ALWAYS = {methods.MEAN, methods.ROLLOUT, methods.NORMS, methods.GRADIENT}


@pytest.mark.parametrize("name", [*TRANSLATING, *READING])
def test_every_row_is_a_distribution_over_what_was_read(name: str, built: Callable[..., Any]):
    written = WRITTEN if name in TRANSLATING else ()
    found = summaries(built(name), READ, written, head=(-1, 0))
    deep = name in TRANSLATING and not name.startswith("rnn")
    assert set(found) == {*ALWAYS, methods.BEST, *([methods.ALIGNING] if deep else [])}
    for matrix in found.values():
        assert tuple(matrix.shape) == (len(written or READ), len(READ))
        assert bool((matrix >= 0).all())
        torch.testing.assert_close(matrix.sum(1), torch.ones(len(matrix)).double(), rtol=0, atol=1e-9)
    matrices = list(found.values())
    if not name.startswith("rnn"):  # whose one head is its mean, and its rollout
        assert not any(torch.equal(one, other) for n, one in enumerate(matrices) for other in matrices[:n])


def test_the_surest_head_is_that_with_the_largest_mean_maximum_over_the_text(built: Callable[..., Any]):
    """Counted one by one; the last token read is no text."""
    model = built("transformer")
    attention = attention_of(model, READ, WRITTEN)
    places = range(len(READ) - 1)

    def sureness(layer: int, head: int) -> float:
        rows = attention.cross[layer, head].tolist()
        return sum(max(row[place] for place in places) for row in rows) / len(rows)

    layers, heads = attention.cross.shape[:2]
    layer, head = max(((n, h) for n in range(layers) for h in range(heads)), key=lambda one: sureness(*one))
    found = summaries(model, READ, WRITTEN, attention, text=places)
    assert torch.equal(found[methods.SUREST], attention.cross[layer, head])
    assert methods.SUREST not in summaries(model, READ, WRITTEN, attention)
    assert methods.SUREST not in summaries(built("rnn, additive"), READ, WRITTEN, text=places), "it has one head"


def test_the_best_head_is_the_one_named(built: Callable[..., Any]):
    model = built("transformer")
    attention = attention_of(model, READ, WRITTEN)
    found = summaries(model, READ, WRITTEN, attention, head=(1, 2))
    assert torch.equal(found[methods.BEST], attention.cross[1, 2])
    assert methods.BEST not in summaries(model, READ, WRITTEN, attention)


def test_the_stack_is_the_one_between_output_and_input(built: Callable[..., Any]):
    stacks = {"bart": CROSS, "convs2s": CROSS, "gpt2": DECODER, "bert": ENCODER}
    for name, stack in stacks.items():
        assert summed(attention_of(built(name), READ, WRITTEN if name in TRANSLATING else ())) == stack


def test_without_attention_there_are_gradients_alone():
    model = rnn.build(replace(rnn.TOY, attention="none"), OWN)
    assert set(summaries(model, READ, WRITTEN)) == {methods.GRADIENT}
