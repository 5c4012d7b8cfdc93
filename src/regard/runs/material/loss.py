"""The loss of a model on batches, at rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from regard.training.loop import Task


def task_loss(module: Any, task: Task, batches: Iterable[Any]) -> tuple[float, int]:
    """Nats without smoothing, and the number of labels, of all batches together; dropout is off meanwhile."""
    was_training = module.training
    module.eval()
    nats, labels = 0.0, 0
    try:
        with torch.no_grad():
            for batch in batches:
                nats += float(task.losses(module, batch).plain)
                labels += batch.target_tokens
    finally:
        module.train(was_training)
    return nats, labels
