"""How T5's weights and feed-forward networks are called in public checkpoints."""

from __future__ import annotations

from regard.errors import CheckpointError
from regard.models.weight_names import Pair, PublicForm, Tensors

# Their names for our activations, without and with a gate, behind which "gelu" means the one by tanh.
_PLAIN = {"relu": "relu", "gelu": "gelu", "gelu_tanh": "gelu_new", "silu": "silu"}
_GATED = {"relu": "gated-relu", "gelu": "gated-gelu_python", "gelu_tanh": "gated-gelu", "silu": "gated-silu"}
_READ = {
    **{theirs: (ours, False) for ours, theirs in _PLAIN.items()},
    **{theirs: (ours, True) for ours, theirs in _GATED.items()},
    "gated-gelu_new": ("gelu_tanh", True),
}


def feed_forward_name(activation: str, *, gated: bool) -> str:
    """What ``config.json`` calls a feed-forward network with this activation of ours."""
    return (_GATED if gated else _PLAIN)[activation]


def feed_forward_of(name: str) -> tuple[str, bool]:
    """Our activation, and whether there is a gate. Raises CheckpointError for a network that is not here."""
    if name not in _READ:
        action = "open a model with one of these"
        raise CheckpointError.because("feed_forward_proj", repr(name), "one of " + ", ".join(_READ), action)
    return _READ[name]


def _attention(ours: str, theirs: str) -> list[Pair]:
    return [(f"{ours}.{part}", f"{theirs}.{part[0]}") for part in ("query", "key", "value", "output")]


def _stack(stack: str) -> list[Pair]:
    ours, theirs = f"{stack}.blocks.{{i}}", f"{stack}.block.{{i}}.layer"
    last = f"{theirs}.2" if stack == "decoder" else f"{theirs}.1"
    pairs = [
        (f"{stack}.bias", f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias"),
        *_attention(f"{ours}.self_attention", f"{theirs}.0.SelfAttention"),
        (f"{ours}.around_self_attention.norm", f"{theirs}.0.layer_norm"),
        (f"{ours}.feed_forward.inner", f"{last}.DenseReluDense.wi"),
        (f"{ours}.feed_forward.gate", f"{last}.DenseReluDense.wi_1"),
        (f"{ours}.feed_forward.outer", f"{last}.DenseReluDense.wo"),
        (f"{ours}.around_feed_forward.norm", f"{last}.layer_norm"),
        (f"{stack}.final_norm.norm", f"{stack}.final_layer_norm"),
    ]
    if stack == "decoder":
        pairs += _attention(f"{ours}.cross_attention", f"{theirs}.1.EncDecAttention")
        pairs.append((f"{ours}.around_cross_attention.norm", f"{theirs}.1.layer_norm"))
    return pairs


_NAMES: list[Pair] = [("encoder.embed.tokens", "shared"), *_stack("encoder"), *_stack("decoder")]
_HEADS: dict[str, list[Pair]] = {
    "language": [("output.weight", "lm_head.weight")],
    "classification": [("head.dense", "classification_head.dense"), ("head.output", "classification_head.out_proj")],
    "tokens": [("head.output", "classifier")],
    "none": [],
}
_IGNORED = (r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight",)  # never used


def t5_form(kind: str, *, gated: bool, encoder_alone: bool) -> PublicForm:
    """Where weights stand in a checkpoint with this kind of head. An encoder is found in a whole model's file too."""
    prefix = "transformer." if kind in ("classification", "tokens") else ""
    unread = (*_IGNORED, r"decoder\..*", r"lm_head\.weight") if encoder_alone else _IGNORED

    def inward(tensors: Tensors) -> Tensors:
        kept = {name.replace(".wi_0.", ".wi."): tensor for name, tensor in tensors.items()}
        for stack in ("encoder", "decoder"):
            copy = kept.pop(f"{stack}.embed_tokens.weight", None)
            if copy is not None:
                kept.setdefault("shared.weight", copy)
        return kept

    def outward(tensors: Tensors) -> Tensors:
        first = ".wi_0." if gated else ".wi."
        return {name.replace(".wi.", first): tensor for name, tensor in tensors.items()}

    return PublicForm(_NAMES, _HEADS[kind], prefix, unread, outward, inward)
