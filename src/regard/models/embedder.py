"""From ids to the vectors that the first layer reads."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from regard.layers.dropout import Dropout
from regard.layers.embedding import TokenEmbedding
from regard.layers.position import in_order
from regard.notation import Hidden, Ids, Places, Real, Vectors


class TokenTypes(nn.Module):
    """x + S[type]: which of two texts a token belongs to (Devlin et al. 2019). Type 0 where none is given."""

    def __init__(self, types: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(types, width))
        nn.init.normal_(self.weight, std=width**-0.5)

    def forward(self, x: Vectors, types: Ids | None) -> Vectors:
        """Add each token's type."""
        return x + (self.weight[0] if types is None else functional.embedding(types, self.weight))


class Embedder(nn.Module):
    """Tokens plus positions, then dropout (section 5.4).

    Families add: ``types`` of tokens, a ``norm`` of the sum, a linear map that makes narrow vectors as ``wide`` as the
    layers are (ALBERT), and another ``numbering`` of places than 0, 1, 2 ….
    """

    def __init__(
        self,
        tokens: TokenEmbedding,
        positions: nn.Module,
        dropout_rate: float,
        *,
        types: TokenTypes | None = None,
        norm: nn.Module | None = None,
        wide: nn.Linear | None = None,
        numbering: Callable[[Tensor], Tensor] = in_order,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.types = types
        self.positions = positions
        self.norm = norm
        self.dropout = Dropout(dropout_rate)
        self.wide = wide
        self.numbering = numbering

    def forward(self, ids: Ids, places: Places | None = None, types: Ids | None = None) -> Hidden:
        """The vectors of ``ids``, which stand at ``places``."""
        x = self.tokens(ids)
        if self.types is not None:
            x = self.types(x, types)
        x = self.positions(x, self.numbering(ids) if places is None else places)
        if self.norm is not None:
            x = self.norm(x)
        x = self.dropout(x)
        return x if self.wide is None else self.wide(x)

    def real(self, ids: Ids) -> Real | None:
        """Which positions are no padding; None: all."""
        return None if self.tokens.pad is None else ids != self.tokens.pad
