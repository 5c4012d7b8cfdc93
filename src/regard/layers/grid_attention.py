"""Attention inside a convolutional network: every cell of a map looks at all the others (Zhang et al. 2019, SAGAN)."""

from __future__ import annotations

import torch
from torch import nn

from regard.layers.multihead import MultiHeadAttention
from regard.notation import FeatureMap


class GridAttention(nn.Module):
    """x + γ · o, with o = W_o attention(W_q x, W_k x, W_v x) over the cells of the map (equations 1–3 there).

    A 1×1 convolution is one linear map at every cell: queries, keys, values and output are those of the Transformer.
    γ is learnt and begins at 0, so that at first the network is the one without attention.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        width = channels // heads
        self.attention = MultiHeadAttention(channels, heads, width, width)
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x: FeatureMap) -> FeatureMap:
        """Each cell with what it gathered from all of them."""
        cells = x.flatten(2).transpose(1, 2)
        gathered = self.attention(cells, self.attention.remember(cells))
        return x + self.scale * gathered.transpose(1, 2).unflatten(2, x.shape[2:])
