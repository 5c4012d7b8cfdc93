"""The masks of section 3.2.3. In every one, ``True`` means "may look".

The encoder hides padding from every position, and so does the decoder's look at the memory. In the
decoder's look at itself the future is hidden; padding stands after the last token, so it is future
to every position that counts, and no second mask is needed.
"""

from __future__ import annotations

import torch

from regard.notation import Mask, SelfMask, SourceIds


def padding_mask(ids: SourceIds, pad: int) -> Mask:
    """[B, 1, 1, S]: every query may look at every token that is not padding."""
    return (ids != pad)[:, None, None, :]


def causal_mask(length: int, device: torch.device | None = None) -> SelfMask:
    """[1, 1, T, T]: position t may look at positions 0 … t."""
    return torch.ones(1, 1, length, length, dtype=torch.bool, device=device).tril()
