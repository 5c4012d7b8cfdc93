"""How much of each vector an attention hands on: weights times the length of what they weigh.

"Attention is not only a weight" (Kobayashi et al. 2020): a large weight on a short vector, as on ``</s>``, does little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from regard.decoding.inference import inference
from regard.layers.alignment import Alignment
from regard.layers.multihead import KeyValues, MultiHeadAttention
from regard.looking.look import CROSS
from regard.looking.recording import capture
from regard.looking.replay import run
from regard.models.convolutional import ROOT_HALF, MultiStepAttention


def value_norms(model: Any, read: Sequence[int], written: Sequence[int] = (), stack: str = CROSS) -> Tensor:
    """‖Σ_h α_h[t, s] f_h(x_s)‖ in every layer of a stack: [N, T, S] (Kobayashi et al. 2020).

    ``read`` and ``written`` are ids as ``replay.attention_of`` takes them.
    """
    norms = [norms_of(weights, vectors) for weights, vectors in weighed(model, read, written, stack)]
    return torch.stack(norms) if norms else torch.empty(0, 0, 0)


def norms_of(weights: Tensor, vectors: Tensor) -> Tensor:
    """‖Σ_h α_h[t, s] f_h(x_s)‖ of weights [H, T, S] and vectors [H, S, D]: [T, S]."""
    return torch.einsum("hts,hsd->tsd", weights, vectors).norm(dim=-1)


def weighed(
    model: Any, read: Sequence[int], written: Sequence[int] = (), stack: str = CROSS
) -> list[tuple[Tensor, Tensor]]:
    """Of each layer of a stack, its weights α [H, T, S] and what they weigh, f_h(x_s) [H, S, D].

    Σ_h Σ_s α_h[t, s] f_h(x_s) is what the attention puts out, but for its bias and residual connection.
    """
    modules = list(model.attentions().get(stack, ()))
    if not modules:
        return []
    with torch.no_grad(), inference(model, threads=0) as device, capture(model, stacks=[stack]) as trace:
        with _remembered(modules) as calls:
            run(model, [(read, written)], device)
        layers = trace.of(stack)[:, 0]
        found = []
        for number, module in enumerate(modules):
            turn = sum(module is earlier for earlier in modules[:number])  # one module may serve several layers
            found.append((layers[number].cpu(), _handed_on(module, calls[id(module)][turn][0]).cpu()))
    return found


@contextmanager
def _remembered(modules: Sequence[Any]) -> Iterator[dict[int, list[Tensor]]]:
    """The values [B, G, S, W] of every call of each module, by its ``id``, while entered."""
    calls: dict[int, list[Tensor]] = {id(module): [] for module in modules}

    def keep(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        (remembered,) = [one for one in (*arguments, *named.values()) if isinstance(one, KeyValues)]
        calls[id(module)].append(remembered.value)

    different = {id(module): module for module in modules}.values()
    hooks = [module.register_forward_pre_hook(keep, with_kwargs=True) for module in different]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _handed_on(module: Any, values: Tensor) -> Tensor:
    """f_h(x_s) [H, S, D] from values [G, S, W], without the output's bias.

    Multi-head: f_h(x) = (x W_h^V + b_h^V) W_h^O. ConvS2S: v W_c √½. An ``Alignment`` hands its memory on as it is.
    """
    match module:
        case MultiHeadAttention():
            values = values.repeat_interleave(module.heads // module.groups, dim=0)
            heads, positions, width = values.shape
            alone = values.new_zeros(heads, positions, heads, width)  # all heads but one are zero
            alone[range(heads), :, range(heads)] = values
            nothing = module.output(values.new_zeros(heads * width))
            vectors: Tensor = module.output(alone.flatten(2)) - nothing
            return vectors
        case MultiStepAttention():
            nothing = module.output(values.new_zeros(values.shape[-1]))
            return (module.output(values) - nothing) * ROOT_HALF
        case Alignment():
            return values
    raise TypeError(f"no attention that is known here: {type(module).__name__}")
