"""How alike the vectors of all positions become, block by block of an encoder with fresh weights (Dong et al. 2021)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from regard.evaluation.interval import Interval
from regard.layers.feedforward import FeedForward
from regard.layers.multihead import MultiHeadAttention
from regard.layers.norm import LayerNorm
from regard.layers.position import sinusoids
from regard.layers.residual import NoResidual, PostNorm
from regard.notation import Hidden
from regard.studies.frame.verdict import over_seeds

ATTENTION, BOTH, RESIDUAL = "attention alone", "attention and feed-forward", "these with residual connections"
KINDS = (ATTENTION, BOTH, RESIDUAL)
POSITIONS, HEADS = 24, 4


def apart(x: Tensor) -> float:
    """‖X − 1x̄ᵀ‖ / ‖X‖ of positions [T, D], in Frobenius' norm: 0 where all are one vector, 1 where their mean is 0.

    1x̄ᵀ is the nearest matrix whose rows are all alike; Dong et al. (2021, section 2.1) call the difference res(X).
    """
    return float((x - x.mean(0)).norm() / x.norm())


def cosine(x: Tensor) -> float:
    """The mean cosine between two different positions of [T, D]."""
    unit = nn.functional.normalize(x, dim=1)
    count = len(x)
    return float(((unit @ unit.T).sum() - count) / (count * (count - 1)))


class Layer(nn.Module):
    """One layer of an encoder, of the parts that its kind has; weights as the transformer family draws them."""

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        around = PostNorm if kind == RESIDUAL else NoResidual
        self.attention = MultiHeadAttention(width, HEADS, width // HEADS, width // HEADS)
        self.feed_forward = None if kind == ATTENTION else FeedForward(width, 4 * width)
        self.around_attention = around(LayerNorm(width), 0.0)
        self.around_feed_forward = around(LayerNorm(width), 0.0)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Hidden) -> Hidden:
        """One layer on; every position sees all."""
        x = self.around_attention(x, lambda y: self.attention(y, self.attention.remember(y), None))
        return x if self.feed_forward is None else self.around_feed_forward(x, self.feed_forward)


@torch.no_grad()
def alikeness(kind: str, layers: int, width: int, draws: int, seed: int) -> dict[str, np.ndarray]:
    """``apart`` and ``cosine`` [draws, layers + 1] of random words at their places, before and after each layer.

    In float64: what is left of the differences is soon smaller than what float32 can tell from nothing.
    """
    measured = np.zeros((2, draws, layers + 1))
    for draw in range(draws):
        torch.manual_seed(seed + draw)
        x = (torch.randn(POSITIONS, width) + sinusoids(POSITIONS, width))[None].double()
        for depth in range(layers + 1):
            x = x if depth == 0 else Layer(kind, width).double()(x)
            measured[:, draw, depth] = apart(x[0]), cosine(x[0])
    return {"apart": measured[0], "cosine": measured[1]}


def geometric(values: np.ndarray) -> Interval:
    """The geometric mean of positive numbers and its interval, which stay positive."""
    logs = over_seeds(np.log(values))
    return Interval(*(float(np.exp(one)) for one in (logs.value, logs.low, logs.high)))
