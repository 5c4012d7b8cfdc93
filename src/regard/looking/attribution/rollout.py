"""Attention rollout: attention multiplied through the layers, with the residual connections between them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from regard.looking.look import Attention

HALF = 0.5


class Rolled(NamedTuple):
    """What each output position consists of: [T, S] of the source, [T, T] of what the decoder was fed.

    Row t of both together sums to one.
    """

    source: Tensor
    fed: Tensor


def rollout(weights: Tensor, stays: float = HALF) -> Tensor:
    """R = Ã_N … Ã_2 Ã_1 with Ã_n = ½ I + ½ mean_h A_nh: [N, H, S, S] → [S, S] (Abnar & Zuidema 2020, section 3).

    Of an encoder, or of a decoder by itself. ``stays`` is the share of the residual connection, 0 for a model without.
    Rows sum to one, and without layers each position is itself.
    """
    size = weights.shape[-1]
    rolled = torch.eye(size, dtype=weights.dtype, device=weights.device)
    for layer in weights:
        rolled = _kept(rolled, layer.mean(0) @ rolled, stays)
    return rolled


def decoder_rollout(attention: Attention, stays: float = HALF) -> Rolled:
    """The same through a decoder: each of its layers has two attentions, each inside a residual connection.

    With R the encoder's rollout, A and X a layer's mean self- and cross-attention, D₀ = I and C₀ = 0:

        D' = ½ D + ½ A D        C' = ½ C + ½ A C        (to itself)
        D  ← ½ D'               C  ← ½ C' + ½ X R       (to the source)

    The paper has no decoder; this applies its rule, a residual connection counts as half, to each of the two. A stack
    without attention (recurrent, convolutional) stands still: then only X is left, and C is its weighted mean.
    """
    cross = attention.cross
    rows, columns = cross.shape[-2:]
    encoder = attention.encoder if len(attention.encoder) else cross.new_zeros(0, 1, columns, columns)
    memory = rollout(encoder, stays)
    source, fed = cross.new_zeros(rows, columns), torch.eye(rows, dtype=cross.dtype, device=cross.device)
    for number, looked in enumerate(cross):
        if len(attention.decoder):
            own = attention.decoder[number].mean(0)
            source, fed = _kept(source, own @ source, stays), _kept(fed, own @ fed, stays)
        source, fed = _kept(source, looked.mean(0) @ memory, stays), stays * fed
    return Rolled(source, fed)


def _kept(before: Tensor, added: Tensor, stays: float) -> Tensor:
    return stays * before + (1 - stays) * added
