"""Cross entropy with label smoothing, section 5.4, that never holds a batch of float32 logits."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

ROWS = 512  # logits made at a time: 512 × 10,000 float32 values are 20 MiB


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
        for first in range(0, len(hidden), ROWS):
            rows, answers = hidden[first : first + ROWS], targets[first : first + ROWS]
            logits = (rows @ weight.T).to(wide)
            log_probabilities, mean = _log_softmax(logits if bias is None else logits.add_(bias), never)
            answered = log_probabilities.gather(1, answers[:, None]).squeeze(1)
            plain -= answered.sum(dtype=torch.float64)
            smoothed -= ((1.0 - smoothing) * answered + smoothing * mean).sum(dtype=torch.float64)
            if hidden_gradient is not None and weight_gradient is not None:
                exact = _logit_gradient(log_probabilities, answers, smoothing, never)
                if bias_gradient is not None:
                    bias_gradient += exact.sum(0)
                gradient = exact.to(rows.dtype)
                torch.mm(gradient, weight, out=hidden_gradient[first : first + ROWS])
                weight_gradient += gradient.T @ rows
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


def _log_softmax(logits: Tensor, never: int | None) -> tuple[Tensor, Tensor]:
    """The log-probabilities of each row, and their mean over every id but ``never``, whose own is −∞."""
    if never is None:
        log_probabilities = logits.log_softmax(1)
        return log_probabilities, log_probabilities.mean(1)
    logits[:, never] = -torch.inf
    log_probabilities = logits.log_softmax(1)
    log_probabilities[:, never] = 0.0
    mean = log_probabilities.sum(1) / (logits.shape[1] - 1)
    log_probabilities[:, never] = -torch.inf
    return log_probabilities, mean


def _logit_gradient(log_probabilities: Tensor, answers: Tensor, smoothing: float, never: int | None) -> Tensor:
    """The softmax minus q, written over the log-probabilities."""
    count = log_probabilities.shape[1] - (never is not None)
    gradient = log_probabilities.exp_().sub_(smoothing / count)
    gradient[torch.arange(len(answers), device=answers.device), answers] -= 1.0 - smoothing
    if never is not None:
        gradient[:, never] = 0.0
    return gradient
