"""Sums of the layers whose answers can be worked out by hand, on every path that computes them here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.layers.attention import attention, masked_softmax
from regard.layers.kernels import attention as attention_kernels
from regard.layers.kernels import residual as residual_kernels
from regard.layers.kernels.library import serves
from regard.layers.norm import LayerNorm
from regard.tasks.loss import label_smoothed_cross_entropy

NOTHING_COMPILED = "nothing is compiled here"
SINGLE = 1e-5  # what float32 may be off by, at sizes about 1
LOGARITHMS = (0.0, math.log(2.0), math.log(5.0))  # their softmax is 1/8, 2/8, 5/8


class LeftOut(Exception):  # noqa: N818  # no error: what a machine lacks cannot be tested on it
    """A self-test that has nothing to test here, and why."""


@dataclass(frozen=True)
class Answer:
    """What was computed and what is known, in words, numbers or bytes; numbers may be ``tolerance`` apart."""

    what: str
    found: object
    known: object
    tolerance: float = 0.0

    @classmethod
    def of(cls, what: str, found: Tensor, known: Sequence[float], tolerance: float = SINGLE) -> Answer:
        """The numbers of a tensor, in their order."""
        return cls(what, found.detach().double().flatten().tolist(), list(known), tolerance)

    @property
    def right(self) -> bool:
        """Whether it is what it must be. A value that is no number never is."""
        match self.found, self.known:
            case list(found), list(known) if self.tolerance:
                apart = [abs(a - b) <= self.tolerance for a, b in zip(found, known, strict=False)]
                return len(found) == len(known) and all(apart)
        return bool(self.found == self.known)

    def told(self) -> tuple[str, str]:
        """Both as a person reads them."""
        return _told(self.found), _told(self.known)


def _told(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(f"{one:.6g}" if isinstance(one, float) else str(one) for one in value) or "nothing"
    return str(value)


def softmax() -> Iterator[Answer]:
    """Of ln 1, ln 2, ln 5 it is 1/8, 2/8, 5/8; without the third 1/3, 2/3, 0; with nothing to look at zeros."""
    scores = torch.tensor(LOGARITHMS).view(1, 1, 1, 3)
    for seen, known in {
        (True, True, True): (1 / 8, 2 / 8, 5 / 8),
        (True, True, False): (1 / 3, 2 / 3, 0.0),
        (False, False, False): (0.0, 0.0, 0.0),
    }.items():
        yield Answer.of(f"seeing {seen}", masked_softmax(scores, torch.tensor(seen).view(1, 1, 1, 3)), known)


def attention_of_logarithms() -> Iterator[Answer]:
    """A query (2, 0, 0, 0) and keys (ln w, 0, 0, 0): divided by √4 their products are ln 1, ln 2, ln 5.

    Of the values 3, 6 and 8 that takes (3 + 2·6 + 5·8) / 8 = 55/8, and (3 + 2·6) / 3 = 5 where the third is hidden. The
    gradient by the values are the weights.
    """
    query = torch.tensor([2.0, 0.0, 0.0, 0.0]).view(1, 1, 1, 4)
    key = torch.tensor([[one, 0.0, 0.0, 0.0] for one in LOGARITHMS]).view(1, 1, 3, 4)
    masks = {"all keys": None, "the third key hidden": torch.tensor([True, True, False]).view(1, 1, 1, 3)}
    known = {"all keys": (55 / 8, (1 / 8, 2 / 8, 5 / 8)), "the third key hidden": (5.0, (1 / 3, 2 / 3, 0.0))}
    for path, attend in _ways_to_attend(query).items():
        for case, mask in masks.items():
            value = torch.tensor([3.0, 6.0, 8.0]).view(1, 1, 3, 1).requires_grad_()
            out = attend(query.clone().requires_grad_(), key, value, mask)
            output, weights = known[case]
            yield Answer.of(f"{path}, {case}", out, (output,), 1e-4)
            yield Answer.of(f"{path}, {case}, backwards", torch.autograd.grad(out.sum(), value)[0], weights)


def _ways_to_attend(like: Tensor) -> dict[str, Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]]:
    """Every path that there is here: the plain products, torch's fused kernel, our own."""
    ways: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]] = {
        "plain products": lambda q, k, v, mask: attention(q, k, v, mask=mask, recorder=lambda weights: None),
        "torch's kernel": lambda q, k, v, mask: torch.nn.functional.scaled_dot_product_attention(q, k, v, mask),
    }
    if serves(like):
        ways["our kernel"] = lambda q, k, v, mask: attention_kernels.sentence_attention(q, k, v, mask, 0.5)
    return ways


def layer_norm() -> Iterator[Answer]:
    """Eight ones and eight threes have mean 2 and deviation 1, and so become −1 and 1, or with g = 2, b = ½ −1½, 2½."""
    norm = LayerNorm(16, epsilon=0.0)
    x = torch.tensor([1.0, 3.0]).repeat(8).view(1, 1, 16)
    yield Answer.of("gain 1", norm(x), [-1.0, 1.0] * 8)
    with torch.no_grad():
        norm.weight.fill_(2.0)
        norm.bias.fill_(0.5)
    yield Answer.of("gain 2, shift ½", norm(x), [-1.5, 2.5] * 8)
    if serves(x):
        halves = residual_kernels.add_norm(x / 4, x * 3 / 4, 0.0, norm.weight, norm.bias, 0.0)
        yield Answer.of("our kernel, of a sum", halves, [-1.5, 2.5] * 8)


def cross_entropy() -> Iterator[Answer]:
    """Logits ln 1, ln 2, ln 5: the third costs −ln 5/8, smoothed by 0.3 −0.7 ln 5/8 − 0.1 (ln 1/8 + ln 2/8 + ln 5/8).

    The gradient by the bias is softmax − target. Of four equal logits, any costs ln 4, however smoothed.
    """
    p = [math.log(one / 8) for one in (1, 2, 5)]
    for smoothing, known in ((0.0, -p[2]), (0.3, -0.7 * p[2] - 0.1 * sum(p))):
        bias = torch.tensor(LOGARITHMS).requires_grad_()
        weight = torch.zeros(3, 2, requires_grad=True)
        losses = label_smoothed_cross_entropy(torch.ones(1, 2), weight, bias, torch.tensor([2]), smoothing=smoothing)
        target = (smoothing / 3, smoothing / 3, 1 - smoothing + smoothing / 3)
        gradient = [share - one for share, one in zip((1 / 8, 2 / 8, 5 / 8), target, strict=True)]
        yield Answer.of(f"smoothing {smoothing}", losses.smoothed, (known,))
        yield Answer.of(f"smoothing {smoothing}, plain", losses.plain, (-p[2],))
        yield Answer.of(f"smoothing {smoothing}, backwards", torch.autograd.grad(losses.smoothed, bias)[0], gradient)
    even = label_smoothed_cross_entropy(torch.ones(1, 2), torch.zeros(4, 2), None, torch.tensor([1]), smoothing=0.5)
    yield Answer.of("four equal logits", even.smoothed, (math.log(4.0),))


def kernels_against_plain_products() -> Iterator[Answer]:
    """Attention of random sentences, forwards and back, in our kernel and in plain float64."""
    chance = torch.Generator().manual_seed(1)
    tensors = [torch.randn(3, 4, length, 16, generator=chance) for length in (11, 17, 17)]
    if not serves(*tensors):
        raise LeftOut(NOTHING_COMPILED)
    mask = torch.rand(3, 1, 11, 17, generator=chance) < 0.7
    outer = torch.randn(3, 4, 11, 16, generator=chance)
    single = [one.clone().requires_grad_() for one in tensors]
    double = [one.double().requires_grad_() for one in tensors]
    query, key, value = single
    ours = attention_kernels.sentence_attention(query, key, value, mask, 0.25)
    plain = masked_softmax(double[0] @ double[1].mT * 0.25, mask) @ double[2]
    pairs = zip(
        (ours, *torch.autograd.grad(ours, single, outer)),
        (plain, *torch.autograd.grad(plain, double, outer.double())),
        strict=True,
    )
    for what, (found, known) in zip(("output", "by queries", "by keys", "by values"), pairs, strict=True):
        apart = (found.double() - known).abs().max().item()
        yield Answer(f"{what}: largest difference", [apart], [0.0], SINGLE * max(1.0, known.abs().max().item()))
