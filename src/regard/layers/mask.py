"""The masks of section 3.2.3. In every one, ``True`` means "may look".

The encoder hides padding from every position, and so does the decoder's look at the memory. In the
decoder's look at itself the future is hidden; padding stands after the last token, so it is future
to every position that counts, and no second mask is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from regard.notation import KeyPlaces, Mask, Places, SelfMask, SourceIds

Sight = Callable[[Places, KeyPlaces], Mask]


def padding_mask(ids: SourceIds, pad: int) -> Mask:
    """[B, 1, 1, S]: every query may look at every token that is not padding."""
    return (ids != pad)[:, None, None, :]


def causal_mask(length: int, device: torch.device | None = None) -> SelfMask:
    """[1, 1, T, T]: position t may look at positions 0 … t."""
    return torch.ones(1, 1, length, length, dtype=torch.bool, device=device).tril()


def past(query: Places, key: KeyPlaces) -> Mask:
    """[#B, 1, T, S]: what a decoder sees of its own text, all that stands no later than the query."""
    return (key[:, None, :] <= query[:, :, None])[:, None]


@dataclass(frozen=True)
class Within:
    """Self-attention within ``reach`` (r, Table 1's fourth row): [#B, 1, T, S], True where |query − key| ≤ r.

    Not ``ahead``: and the key stands no later than the query, as in a decoder.
    """

    reach: int
    ahead: bool

    def __call__(self, query: Places, key: KeyPlaces) -> Mask:
        """Which keys the queries at these places may look at."""
        away = key[:, None, :] - query[:, :, None]
        return ((away >= -self.reach) & (away <= (self.reach if self.ahead else 0)))[:, None]
