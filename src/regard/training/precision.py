"""bfloat16 products over float32 weights: the model computes with a rounded copy, the optimizer moves the original."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from regard.layers.image_norm import FrozenBatchNorm, ImageBatchNorm
from regard.layers.norm import BatchNorm

CPU = torch.device("cpu")


class MasterWeights:
    """The float32 weights that are trained, and the model's own, which may be bfloat16.

    With float32 both are the same tensors and nothing is copied. The running statistics of batch norm, which no
    optimizer moves, are never rounded; nor is anything in a frozen norm.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        self._working = dict(model.named_parameters())
        self._statistics = {
            f"{name}.{kind}": tensor
            for name, module in model.named_modules()
            if isinstance(module, BatchNorm | ImageBatchNorm | FrozenBatchNorm)
            for kind, tensor in module.named_buffers()
        }
        self.rounded = dtype != torch.float32
        self.parameters = self._working
        if self.rounded:
            self.parameters = {
                name: nn.Parameter(weight.detach().float().clone(), weight.requires_grad)
                for name, weight in self._working.items()
            }
            for weight in self._working.values():
                weight.data = weight.data.to(dtype)

    def collect_gradients(self) -> None:
        """Add the model's gradients to those of the float32 weights, and clear them."""
        if not self.rounded:
            return
        for name, working in self._working.items():
            if working.grad is None:
                continue
            master = self.parameters[name]
            master.grad = working.grad.float() if master.grad is None else master.grad.add_(working.grad)
            working.grad = None

    def clear_gradients(self) -> None:
        """Forget the gradients of the model and of the float32 weights."""
        for weight in (*self._working.values(), *self.parameters.values()):
            weight.grad = None

    def statistics(self) -> dict[str, Tensor]:
        """A copy of the running statistics, which a forward pass changes."""
        return {name: tensor.clone() for name, tensor in self._statistics.items()}

    def put_statistics(self, kept: Mapping[str, Tensor]) -> None:
        """Go back to what ``statistics`` gave."""
        for name, tensor in self._statistics.items():
            tensor.copy_(kept[name])

    def publish(self) -> None:
        """Round the float32 weights into the model."""
        if self.rounded:
            with torch.no_grad():
                torch._foreach_copy_(list(self._working.values()), list(self.parameters.values()))

    def tensors(self) -> dict[str, Tensor]:
        """What training changes in the model, by name: the float32 weights and the running statistics."""
        return {name: weight.detach() for name, weight in self.parameters.items()} | self._statistics


def choose_dtype(precision: str, device: torch.device = CPU) -> torch.dtype:
    """The type of the products: "auto" is bfloat16 where the device multiplies it, else float32."""
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16(device) else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def has_bfloat16(device: torch.device = CPU) -> bool:
    """Whether what trains has instructions for bfloat16 products."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_avx512_bf16_supported())
