"""DETR's weights in public checkpoints: as transformers writes them, with timm's backbone, as the original has them.

All are turned into the first of these before our table of names reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from regard.models.resnet_names import COUNTER, resnet_names
from regard.models.weight_names import PublicForm, Tensors, stack_names

_BACKBONE = "backbone.conv_encoder.model"


def detr_form() -> PublicForm:
    """The names in files of transformers, in both directions, and what else is read."""
    stacks = [("decoder.final_norm", "decoder.layernorm"), *stack_names("encoder"), *stack_names("decoder")]
    base = [
        *resnet_names("backbone", f"{_BACKBONE}."),
        ("projection", "input_projection"),
        ("decoder.queries", "query_position_embeddings.weight"),
        *stacks,
    ]
    head = [("class_head", "class_labels_classifier"), ("box_head", "bbox_predictor")]
    return PublicForm(base, head, "model.", (rf".*\.{COUNTER}",), inward=_to_transformers)


Rules = Sequence[tuple[str, str]]

# Facebook's repository, whose modules are torch's own.
_ORIGINAL: Rules = (
    (r"^transformer\.", ""),
    (r"^backbone\.0\.body\.", f"{_BACKBONE}."),
    (r"^input_proj\.", "input_projection."),
    (r"^query_embed\.", "query_position_embeddings."),
    (r"^class_embed\.", "class_labels_classifier."),
    (r"^bbox_embed\.", "bbox_predictor."),
    (r"^decoder\.norm\.", "decoder.layernorm."),
    (r"\.multihead_attn\.", ".encoder_attn."),
    (r"\.linear(\d)\.", r".fc\1."),
    (r"\.norm1\.", ".self_attn_layer_norm."),
    (r"^(decoder\..*)\.norm2\.", r"\1.encoder_attn_layer_norm."),
    (r"\.norm[23]\.", ".final_layer_norm."),
)
_STAGE = re.compile(rf"^{re.escape(_BACKBONE)}\.layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.(\d))\.")
_STEM: Rules = (
    (rf"^{re.escape(_BACKBONE)}\.conv1\.", f"{_BACKBONE}.embedder.embedder.convolution."),
    (rf"^{re.escape(_BACKBONE)}\.bn1\.", f"{_BACKBONE}.embedder.embedder.normalization."),
)


def _to_transformers(tensors: Tensors) -> Tensors:
    """Every tensor under transformers' own name."""
    original = any(name.startswith("transformer.") for name in tensors)
    named = {_replaced(name, _ORIGINAL) if original else name: tensor for name, tensor in tensors.items()}
    return {_STAGE.sub(_block, _replaced(name, _STEM)): part for name, part in _split(named).items()}


def _replaced(name: str, rules: Rules) -> str:
    for old, new in rules:
        name = re.sub(old, new, name)
    return name


def _block(match: re.Match[str]) -> str:
    """A residual block's name, counted from 0, for timm's, whose stages and convolutions count from 1."""
    stage, block, kind, number, shortcut = match.groups()
    norm = kind == "bn" or shortcut == "1"
    place = "shortcut" if shortcut else f"layer.{int(number) - 1}"
    part = "normalization" if norm else "convolution"
    return f"{_BACKBONE}.encoder.stages.{int(stage) - 1}.layers.{block}.{place}.{part}."


def _split(tensors: Mapping[str, Tensor]) -> Tensors:
    """One matrix for queries, keys and values as three."""
    parted: Tensors = {}
    for name, tensor in tensors.items():
        found = re.fullmatch(r"(.*_attn)\.in_proj_(weight|bias)", name)
        if found and len(tensor) % 3 == 0:
            parts = tensor.chunk(3)
            parted |= {f"{found[1]}.{one}_proj.{found[2]}": part for one, part in zip("qkv", parts, strict=True)}
        else:
            parted[name] = tensor
    return parted
