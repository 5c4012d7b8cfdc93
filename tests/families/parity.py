"""Both ways between a family and transformers, through files: theirs opened here, ours opened there.

Weights are drawn with std 0.2 (with the usual 0.02 a model without positions or with another ε would pass).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from regard import families
from regard.models.public import check_fit, public_weights, put_public_weights

DEVIATION = 0.2


def perturbed(model: torch.nn.Module, seed: int = 0, deviation: float = DEVIATION) -> torch.nn.Module:
    """The model with every weight, norms and buffers of biases too, drawn anew; float64, evaluation mode.

    What is frozen there (sinusoids) is no weight. Running variances are above zero.
    """
    generator = torch.Generator().manual_seed(seed)
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    with torch.no_grad():
        for name, weight in model.state_dict().items():
            if weight.is_floating_point() and name not in frozen:
                centre = 1.0 if weight.dim() == 1 and name.endswith("weight") else 0.0
                weight.copy_(centre + deviation * torch.randn(weight.shape, generator=generator))
                if name.endswith("running_var"):
                    weight.abs_().add_(0.5)
    return model.double().eval()


def open_here(folder: Path, family: Any) -> tuple[torch.nn.Module, Any, Any, Any]:
    """Our model of what transformers saved, in float64, with its settings."""
    table = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    config, vocabulary, head = family.read_public_config(table, tensors.keys())
    form = family.public_form(config, vocabulary, head)
    with torch.device("meta"):
        check_fit(family.build(config, vocabulary, head), form, {n: list(t.shape) for n, t in tensors.items()})
    model = family.build(config, vocabulary, head).double()
    put_public_weights(model, form, tensors)
    return model.eval(), config, vocabulary, head


def open_there(model: torch.nn.Module, family: Any, parts: tuple[Any, Any, Any], folder: Path, cls: Any) -> Any:
    """What transformers makes of our model's files: nothing missing, nothing unexpected."""
    folder.mkdir()
    config, vocabulary, head = parts
    (folder / "config.json").write_text(json.dumps(family.public_config(config, vocabulary, head)))
    form = family.public_form(config, vocabulary, head)
    tensors = {name: tensor.double() for name, tensor in public_weights(model, form, head).items()}
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    theirs, report = cls.from_pretrained(folder, output_loading_info=True, dtype=torch.float64)
    assert not report["missing_keys"], report
    assert not report["unexpected_keys"], report
    assert not report["mismatched_keys"], report
    return theirs.eval()


def both_ways(
    name: str,
    theirs: torch.nn.Module,
    tmp_path: Path,
    ask_theirs: Callable[[Any], Tensor],
    ask_ours: Callable[[Any], Tensor],
    tolerance: float = 1e-9,
) -> torch.nn.Module:
    """Open theirs here, then what we save of it there: the answers are the same each time. Returns our model."""
    family = families.get(name)
    wanted = ask_theirs(perturbed(theirs))
    theirs.save_pretrained(tmp_path / "theirs")
    ours, *parts = open_here(tmp_path / "theirs", family)
    torch.testing.assert_close(ask_ours(ours), wanted, rtol=0, atol=tolerance)
    again = open_there(ours.float().double(), family, tuple(parts), tmp_path / "ours", type(theirs))
    # public_weights writes float32: compare with our own model rounded likewise
    torch.testing.assert_close(ask_theirs(again), ask_ours(ours), rtol=0, atol=tolerance)
    return ours


def padded_texts(pad: int, size: int = 40) -> tuple[Tensor, Tensor]:
    """The ids and types of four texts of at most nine tokens, one padded to the right and one to the left."""
    ids = torch.randint(5, size, (4, 9))
    ids[1, 5:] = pad
    ids[2, :3] = pad
    return ids, (torch.arange(9) > 4).long().expand(4, 9)


def compare_readers(name: str, theirs: torch.nn.Module, tmp_path: Path, pad: int, *, types: bool = True) -> None:
    """``both_ways`` for an encoder by itself, whatever its head. ``types``: it tells two kinds of tokens apart."""
    ids, kinds = padded_texts(pad)
    kinds = kinds if types else torch.zeros_like(kinds)

    def ask_theirs(model: Any) -> Tensor:
        with torch.no_grad():
            found = model(input_ids=ids, token_type_ids=kinds, attention_mask=(ids != pad).long())
        return found.pooler_output if "pooler_output" in found else found.logits

    def ask_ours(model: Any) -> Tensor:
        with torch.no_grad():
            return model.classify(ids, kinds) if model.output is None else model.logits(model(ids, kinds))

    both_ways(name, theirs, tmp_path, ask_theirs, ask_ours)


def on_meta(name: str, config: Any, size: int, head: Any, **roles: int) -> torch.nn.Module:
    """Our model of a published size with ``size`` ids, which takes no memory."""
    family = families.get(name)
    with torch.device("meta"):
        return family.build(config, family.vocabulary(size, size, shared=True, roles=roles), head)


def weights_in(model: torch.nn.Module) -> int:
    """How many numbers are trained."""
    return sum(weight.numel() for weight in model.parameters())
