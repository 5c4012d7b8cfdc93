"""The circumstances under which a model writes: without dropout, on a given number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def inference(model: nn.Module, threads: int) -> Iterator[torch.device]:
    """Evaluation mode and ``threads`` CPU threads (0: as many as before) while inside.

    Yields the model's device. Afterwards every module is in the mode that it was in.
    """
    modes = [(module, module.training) for module in model.modules()]
    threads_before = torch.get_num_threads()
    try:
        model.eval()
        torch.set_num_threads(threads or threads_before)
        yield next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    finally:
        torch.set_num_threads(threads_before)
        for module, training in modes:
            module.training = training
