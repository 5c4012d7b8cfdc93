"""How much of a gradient arrives at each distance from where the loss is."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch.nn import functional

from regard.data.batching import LabelledBatch
from regard.studies.long_memory.readers import Reader


def gradient_norms(model: Reader, batch: LabelledBatch) -> np.ndarray:
    """log₁₀ ‖∂ loss / ∂ x_{T−k}‖ for k = 0 … T − 1, x being the embeddings: [texts, T], computed in float64.

    The loss is −log P(answer) at the last position. A gradient below the smallest float counts as that.
    """
    model = deepcopy(model).double().eval()
    x = model.embed(batch.ids).detach().requires_grad_()
    loss = functional.cross_entropy(model.judge(x), batch.labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, x)
    norms = gradient.norm(dim=2).clamp(min=torch.finfo(torch.float64).tiny)
    found: np.ndarray = norms.log10().flip(1).numpy()
    return found


def decay(norms: np.ndarray) -> np.ndarray:
    """The powers of ten that are lost per position: minus the least-squares slope over k = 1 … T − 1, [...].

    k = 0 is left out: there the loss is reached without looking back.
    """
    k = np.arange(1, norms.shape[-1], dtype=np.float64)
    k = k - k.mean()
    found: np.ndarray = -(norms[..., 1:] @ k) / (k @ k)
    return found
