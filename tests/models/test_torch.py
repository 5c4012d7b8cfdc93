"""The whole stack against ``torch.nn``'s encoder and decoder, with the same weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from regard.families.transformer import Config

pytestmark = pytest.mark.usefixtures("path")


def copy_attention(theirs: nn.MultiheadAttention, ours) -> None:
    parts = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
    theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())


def copy_block(theirs: nn.Module, ours) -> None:
    copy_attention(theirs.self_attn, ours.self_attention)
    norms = [ours.around_self_attention.norm]
    if hasattr(theirs, "multihead_attn"):
        copy_attention(theirs.multihead_attn, ours.cross_attention)
        norms.append(ours.around_cross_attention.norm)
    for number, norm in enumerate([*norms, ours.around_feed_forward.norm], start=1):
        theirs.get_submodule(f"norm{number}").load_state_dict(norm.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward.inner.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.outer.state_dict())


def copied(kind: str, ours, config: Config) -> nn.Module:
    """``nn.TransformerEncoder`` or ``nn.TransformerDecoder`` with the weights of one of our halves."""
    facts = {"dropout": 0.0, "activation": config.activation, "batch_first": True, "dtype": torch.float64}
    make_layer = getattr(nn, f"Transformer{kind}Layer")
    layer = make_layer(config.d_model, config.heads, config.d_ff, norm_first=config.norm == "pre", **facts)
    norm = None
    if ours.final_norm is not None:
        norm = nn.LayerNorm(config.d_model, dtype=torch.float64)
        norm.load_state_dict(ours.final_norm.state_dict())
    only = {"enable_nested_tensor": False} if kind == "Encoder" else {}
    theirs = getattr(nn, f"Transformer{kind}")(layer, len(ours.blocks), norm, **only)
    with torch.no_grad():
        for their_block, our_block in zip(theirs.layers, ours.blocks, strict=True):
            copy_block(their_block, our_block)
    return theirs.eval()


def embedded(weight: Tensor, ids: Tensor) -> Tensor:
    """E[token] · √d_model plus all sines and then all cosines, a number at a time."""
    d_model = weight.shape[1]
    rows = []
    for p in range(ids.shape[1]):
        angles = [p / 10000 ** (2 * i / d_model) for i in range(d_model // 2)]
        rows.append([*map(math.sin, angles), *map(math.cos, angles)])
    positions = torch.tensor(rows).double()  # rounded to float32 as public checkpoints have them
    return weight[ids] * math.sqrt(d_model) + positions


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_whole_stack_is_what_torch_computes(make_model, sentences, norm, activation):
    config = Config(layers=2, decoder_layers=3, d_model=12, d_ff=20, heads=3, norm=norm, activation=activation)
    model = make_model(config)
    encoder, decoder = copied("Encoder", model.encoder, config), copied("Decoder", model.decoder, config)
    source, target = sentences(3, 6), sentences(3, 5)
    source[1, 3:] = torch.tensor([0, model.source_pad, model.source_pad])
    source[2, 1:] = torch.tensor([0, *[model.source_pad] * 4])
    hidden, weight = source == model.source_pad, model.output.weight
    future = torch.ones(5, 5, dtype=torch.bool).triu(1)
    memory = encoder(embedded(weight, source), src_key_padding_mask=hidden)
    theirs = decoder(embedded(weight, target), memory, tgt_mask=future, memory_key_padding_mask=hidden)
    assert theirs.requires_grad, "with gradients torch takes the path that its documentation describes"
    torch.testing.assert_close(model.encode(source)[~hidden], memory[~hidden], rtol=0, atol=1e-9)
    torch.testing.assert_close(model(source, target), theirs, rtol=0, atol=1e-9)
    logits = theirs @ weight.T + model.output.bias
    torch.testing.assert_close(model.logits(model(source, target))[..., :-1], logits[..., :-1], rtol=0, atol=1e-9)


def test_post_norm_has_no_norm_at_the_end_and_pre_norm_has_one(make_model):
    ends = {norm: make_model(Config(layers=1, d_model=12, d_ff=20, heads=3, norm=norm)) for norm in ("post", "pre")}
    assert ends["post"].encoder.final_norm is None
    assert ends["post"].decoder.final_norm is None
    assert isinstance(ends["pre"].encoder.final_norm, nn.Module)
    assert isinstance(ends["pre"].decoder.final_norm, nn.Module)
