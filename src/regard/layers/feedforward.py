"""Position-wise feed-forward networks, section 3.3, and their gated relatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from torch import Tensor, nn
from torch.nn import functional

from regard.layers.dropout import Dropout
from regard.notation import Hidden

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "relu": functional.relu,
        "gelu": functional.gelu,
        "gelu_tanh": partial(functional.gelu, approximate="tanh"),
        "silu": functional.silu,
    }
)


class FeedForward(nn.Module):
    """activation(x W₁ + b₁) W₂ + b₂, equation 2, at each position on its own.

    Gated (Shazeer 2020): (activation(x W₁) ⊙ x W_g) W₂. The dropout between the two products is not in
    the paper; it is 0 unless a family asks for it.
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        *,
        activation: str = "relu",
        gated: bool = False,
        bias: bool = True,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.inner = nn.Linear(d_model, d_ff, bias)
        self.gate = nn.Linear(d_model, d_ff, bias) if gated else None
        self.outer = nn.Linear(d_ff, d_model, bias)
        self.activation = ACTIVATIONS[activation]
        self.dropout = Dropout(dropout_rate)

    def forward(self, x: Hidden) -> Hidden:
        """The same small network at every position."""
        inner = self.activation(self.inner(x))
        if self.gate is not None:
            inner = inner * self.gate(x)
        return self.outer(self.dropout(inner))
