"""How good the weights of this moment are, on data that training does not see."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from regard.errors import TrainingError
from regard.models.adapters import merged
from regard.models.state import put_weights, weights_of
from regard.runs.material import Material
from regard.runs.material.loss import task_loss
from regard.training.loop import DIVERGED


class Validator:
    """A float32 copy of the model that takes on weights and is measured."""

    def __init__(self, material: Material, module: Any) -> None:
        self.material = material
        self.module = module.eval()
        init = material.recipe.init
        self._scale = init.lora_alpha / max(1, init.lora_rank)

    def put(self, weights: Mapping[str, Tensor]) -> None:
        """Take on trained weights, with their low-rank changes, if any, merged into them."""
        put_weights(self.module, complete(self.module, merged(weights, self._scale)))

    def record(self, weights: Mapping[str, Tensor]) -> dict[str, float]:
        """Loss in nats per target token without smoothing, its exponential, and what the task measures besides."""
        self.put(weights)
        loss = self.loss()
        if not math.isfinite(loss):
            raise TrainingError.because("validation loss", loss, "a finite number", DIVERGED)
        record = {"valid_loss": loss, "valid_perplexity": math.exp(min(loss, 709.0))}
        return {**record, **self.material.measured(self.module)}

    def loss(self) -> float:
        """Nats per target token of the whole validation set."""
        nats, tokens = task_loss(self.module, self.material.task(), self.material.validation())
        return nats / max(1, tokens)


def complete(module: Any, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Trained weights with the constants that training does not move (an output layer's bias)."""
    trained = {name for name, _ in module.named_parameters()}
    constants = {name: tensor for name, tensor in weights_of(module).items() if name not in trained}
    return {**constants, **weights}
