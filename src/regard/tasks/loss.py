"""Cross entropy with label smoothing, section 5.4, that never holds a batch of float32 logits."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from regard.layers.kernels.cross_entropy import cross_entropy_
from regard.layers.kernels.library import serves

ROWS = 256  # logits made at a time: 256 × 10,000 float32 values are 10 MiB


class Losses(NamedTuple):
    """Sums over the target tokens, in nats: what is minimised, and the plain negative log-likelihood."""

    smoothed: Tensor
    plain: Tensor


@runtime_checkable
class TokenOutput(Protocol):
    """The output layer: logits h Wᵀ + b, with ``never`` the id that is no prediction."""

    weight: Tensor
    bias: Tensor | None
    never: int | None


@runtime_checkable
class TokenPredictor(Protocol):
    """What predicting tokens needs of a model, its hidden states apart."""

    output: TokenOutput | None

    def transform(self, hidden: Tensor) -> Tensor:
        """What the output layer reads."""


def token_losses(
    model: TokenPredictor,
    hidden: Float[Tensor, "B T D"],
    labels: Int[Tensor, "B T"],
    counted: Bool[Tensor, "B T"],
    label_smoothing: float = 0.0,
) -> Losses:
    """The cross entropy of the ``labels`` that are counted; only their states reach the output layer."""
    assert model.output is not None, "a model without an output layer predicts no tokens"
    return label_smoothed_cross_entropy(
        model.transform(hidden[counted]),
        model.output.weight,
        model.output.bias,
        labels[counted],
        smoothing=label_smoothing,
        never=model.output.never,
    )


def label_smoothed_cross_entropy(
    hidden: Float[Tensor, "n D"],
    weight: Float[Tensor, "V D"],
    bias: Float[Tensor, " V"] | None,
    targets: Int[Tensor, " n"],
    *,
    smoothing: float = 0.0,
    never: int | None = None,
) -> Losses:
    """−Σ_i Σ_v q_i(v) log softmax(h_i Wᵀ + b)_v with q_i = (1 − ε)·[v = y_i] + ε/V, over n tokens.

    ``never`` is an id that is no prediction (padding): it is left out of the softmax and of V. Output layer
    and loss are computed together, ``ROWS`` tokens at a time, and the gradient in the same pass, so that the
    logits of a chunk are dropped before those of the next are made. A ``bias`` that wants a gradient gets one.
    """
    if not torch.is_grad_enabled():  # inside, the mode is always off and the tensors still say that they want one
        hidden, weight = hidden.detach(), weight.detach()
        bias = None if bias is None else bias.detach()
    smoothed, plain = _FusedLoss.apply(hidden, weight, bias, targets, smoothing, never)
    return Losses(smoothed, plain)


class _FusedLoss(torch.autograd.Function):
    """Gradients of the sum with respect to ``hidden``, ``weight`` and, where it is trained, ``bias``."""

    @staticmethod
    def forward(
        context: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        smoothing: float,
        never: int | None,
    ) -> tuple[Tensor, Tensor]:
        wanted = any(context.needs_input_grad)
        wide = torch.promote_types(weight.dtype, torch.float32)
        hidden_gradient = torch.empty_like(hidden) if wanted else None
        weight_gradient = torch.zeros_like(weight, dtype=wide) if wanted else None
        bias_gradient = torch.zeros_like(bias, dtype=wide) if bias is not None and context.needs_input_grad[2] else None
        smoothed = torch.zeros((), dtype=torch.float64, device=hidden.device)
        plain = torch.zeros((), dtype=torch.float64, device=hidden.device)
        room = hidden.new_empty(min(ROWS, len(hidden)), len(weight))
        constant = None if bias is None else bias.to(wide)
        for first in range(0, len(hidden), ROWS):
            rows, answers = hidden[first : first + ROWS], targets[first : first + ROWS]
            logits = torch.mm(rows, weight.T, out=room[: len(rows)])
            answered, mean, gradient = _differentiate(logits, answers, constant, smoothing, never)
            plain -= answered.sum(dtype=torch.float64)
            smoothed -= ((1.0 - smoothing) * answered + smoothing * mean).sum(dtype=torch.float64)
            if hidden_gradient is not None and weight_gradient is not None:
                if bias_gradient is not None:
                    bias_gradient += gradient.sum(0, dtype=wide)
                gradient = gradient.to(rows.dtype)
                torch.mm(gradient, weight, out=hidden_gradient[first : first + ROWS])
                _add_product(weight_gradient, gradient.T, rows)
        context.save_for_backward(hidden_gradient, weight_gradient, bias_gradient)
        context.dtypes = weight.dtype, None if bias is None else bias.dtype
        context.mark_non_differentiable(plain)
        return smoothed, plain

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        hidden_gradient, weight_gradient, bias_gradient = context.saved_tensors
        outer = gradients[0]
        by_weight, by_bias = (
            None if gradient is None else (gradient * outer.to(gradient.dtype)).to(dtype)
            for gradient, dtype in zip((weight_gradient, bias_gradient), context.dtypes, strict=True)
        )
        return hidden_gradient * outer.to(hidden_gradient.dtype), by_weight, by_bias, None, None, None


def _differentiate(
    logits: Tensor, answers: Tensor, bias: Tensor | None, smoothing: float, never: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Of each row log p(answer) and the mean log p, and softmax − q, for which the logits' own memory is used."""
    if serves(logits):
        return *cross_entropy_(logits, answers.contiguous(), bias, smoothing, never), logits
    z = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if bias is not None:
        z += bias
    count = z.shape[1] - (never is not None)
    if never is not None:
        z[:, never] = 0.0
    total = z.sum(1)
    if never is not None:
        z[:, never] = -torch.inf
    answer, top = z.gather(1, answers[:, None])[:, 0], z.amax(1)
    torch.softmax(z, 1, out=z)
    log_normaliser = top - z.amax(1).log()
    z -= smoothing / count
    z[torch.arange(len(answers), device=answers.device), answers] -= 1.0 - smoothing
    if never is not None:
        z[:, never] = 0.0
    return answer - log_normaliser, total / count - log_normaliser, z


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add left · right, at the width of the total."""
    if total.dtype == right.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
