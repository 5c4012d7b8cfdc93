"""Looks of random numbers, as small as the views allow."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.looking.look import (
    Attention,
    AttentionStep,
    Branch,
    Cells,
    Choices,
    FeedForwardStep,
    Look,
    Output,
    Tree,
    Way,
    Words,
)

NOTHING = torch.empty(0, 0, 0, 0)
PIXEL = base64.b64decode(  # a picture of one red pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
SOURCE = ("▁Ein", "▁Hund", "▁läuft", "▁schn", "ell", "</s>")
TARGET = ("▁A", "▁dog", "▁runs", "▁fast", "</s>")
LOG_PROBABILITIES = tuple(torch.tensor([3.0, 1.0, 0.0]).log_softmax(0)[:1].tolist()) * len(TARGET)  # as `choices`
HOSTILE = (
    "▁<script>alert(1)</script>",
    "▁\"'&amp;",
    "▁😀",
    "▁한국어",
    "▁مرحبا",
    "▁a\u202eb",
    "▁<!--",
    "<0xE2>",
    "▁</script>",
    "</s>",
)


def distributions(*shape: int, causal: bool = False) -> Tensor:
    """Random weights whose rows sum to one; with ``causal``, none above the diagonal."""
    scores = torch.randn(shape) * 2
    if causal:
        scores = scores.masked_fill(~torch.ones(shape[-2:], dtype=torch.bool).tril(), -torch.inf)
    return scores.softmax(-1)


def attention_step(stack: str, columns: int, width: int, heads: int = 2) -> AttentionStep:
    scores = torch.randn(heads, columns)
    scores[:, -1] = torch.nan
    weights = scores.nan_to_num(-torch.inf).softmax(-1)
    one, many = torch.randn(heads, width // heads), torch.randn(width)
    return AttentionStep(stack, query=one, scores=scores, weights=weights, gathered=one, output=many, after=many)


def way(layers: int = 2, width: int = 8, columns: int = 5) -> Way:
    """The way of the third token that was fed, in a decoder."""

    def vector() -> Tensor:
        return torch.randn(width)

    steps = (
        attention_step("decoder", columns, width),
        attention_step("cross", columns + 1, width),
        FeedForwardStep(torch.randn(4 * width), vector(), vector()),
    )
    return Way("target", 2, vector(), vector(), vector(), [steps] * layers, vector())


def choices() -> Choices:
    logits = torch.tensor([[3.0, 1.0, 0.0]] * len(TARGET))
    temperatures = (0.5, 1.0, 2.0)
    normalisers = torch.stack([(logits / one).logsumexp(-1) for one in temperatures], 1)  # a vocabulary of three
    return Choices([[piece, "▁the", "s"] for piece in TARGET], logits, temperatures, normalisers)


def tree() -> Tree:
    first = [Branch(0, "▁A", -0.1, -0.1, 0, False, won=True), Branch(0, "▁The", -2.0, -2.0, 1, False)]
    last = [Branch(0, "</s>", -0.2, -0.3, None, True, won=True), Branch(1, "▁dog", -4.0, -6.0, None, False)]
    return Tree(2, [first, last], [Output("A", -0.2, -0.3)])


def translation() -> Look:
    """A German sentence and its translation, in a model of two layers of four heads, with everything there is."""
    sizes = {"encoder": (6, 6), "decoder": (5, 5), "cross": (5, 6)}
    stacks = {name: distributions(2, 4, *size, causal=name == "decoder") for name, size in sizes.items()}
    return Look(
        name="a model",
        family="transformer",
        source=Words(SOURCE, None, (5,)),
        attention=Attention(**stacks),
        target=Words(TARGET, None, (4,)),
        fed=Words(("<s>", *TARGET[:-1]), None, (0,)),
        summaries={"rollout": distributions(5, 6), "gradient": torch.randn(5, 6)},
        choices=choices(),
        tree=tree(),
        ways=(way(),),
        text="A dog runs fast",
        log_probabilities=LOG_PROBABILITIES,
    )


def of_words(pieces: tuple[str, ...], *, causal: bool = False) -> Look:
    """A look at one text, by an encoder or by a language model."""
    weights = distributions(2, 4, len(pieces), len(pieces), causal=causal)
    attention = Attention(NOTHING, weights, NOTHING) if causal else Attention(weights, NOTHING, NOTHING)
    return Look("a model", "gpt2" if causal else "bert", Words(pieces), attention, text=" ".join(pieces))


def of_picture() -> Look:
    """A caption of two words for a picture of 2 × 3 cells."""
    cross = distributions(1, 2, 2, 6)
    caption = Words(("▁red", "</s>"))
    cells = Cells(2, 3, PIXEL)
    return Look("a model", "transformer", cells, Attention(NOTHING, NOTHING, cross), target=caption, fed=caption)


@dataclass(frozen=True)
class Looks:
    """One of each kind."""

    translation: Look
    steps: list[Look]
    models: list[Look]
    hostile: Look
    classified: Look
    picture: Look
