"""Train torch.nn.Transformer; bench_peers.py talks to it (steps.py has the training).

The model is the same to the last weight: its norms at the ends of the stacks, and the dropout that PyTorch adds inside
attention and feed-forward, are off.
"""

from __future__ import annotations

from turns import Turns

TURNS = Turns()

import math  # noqa: E402

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from steps import Pairs, Training, parse, read_config, serve, shifted, smoothed_loss  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

LONGEST = 1024
NAMES = {"out_proj": "out_proj", "fc1": "linear1", "fc2": "linear2"}


class Model(nn.Module):
    """Embedding, sinusoids, torch.nn.Transformer, and the embedding again as the output layer."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        width, layers, rate = config["d_model"], config["encoder_layers"], config["dropout"]
        self.pad = config["pad_token_id"]
        self.tokens = nn.Embedding(config["vocab_size"], width, padding_idx=self.pad)
        self.dropout = nn.Dropout(rate)
        heads, inner = config["encoder_attention_heads"], config["encoder_ffn_dim"]
        self.transformer = nn.Transformer(width, heads, layers, layers, inner, rate, batch_first=True)
        self.transformer.encoder.norm = self.transformer.decoder.norm = None
        for layer in (*self.transformer.encoder.layers, *self.transformer.decoder.layers):
            layer.dropout.p = layer.self_attn.dropout = 0.0
        for layer in self.transformer.decoder.layers:
            layer.multihead_attn.dropout = 0.0
        angles = torch.arange(LONGEST)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
        self.register_buffer("places", torch.cat((angles.sin(), angles.cos()), 1))

    def embed(self, ids: Tensor) -> Tensor:
        return self.dropout(self.tokens(ids) * math.sqrt(self.tokens.embedding_dim) + self.places[: ids.shape[1]])

    def forward(self, source: Tensor, target_in: Tensor) -> Tensor:
        hidden = source == self.pad
        future = nn.Transformer.generate_square_subsequent_mask(target_in.shape[1])
        states = self.transformer(
            self.embed(source),
            self.embed(target_in),
            tgt_mask=future,
            src_key_padding_mask=hidden,
            memory_key_padding_mask=hidden,
            tgt_is_causal=True,
        )
        return F.linear(states, self.tokens.weight)


def named_for_torch(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Marian's weights under the names of ``Model``."""
    named = {"tokens.weight": tensors["model.shared.weight"]}
    for name, tensor in tensors.items():
        stack, *rest = name.removeprefix("model.").split(".")
        if rest[:1] != ["layers"]:
            continue
        block, part, *tail = rest[1:]
        place = f"transformer.{stack}.layers.{block}."
        ours = {"self_attn": "self_attn", "encoder_attn": "multihead_attn"}.get(part)
        if ours and tail[0] == "q_proj":
            whole = [tensors[name.replace("q_proj", f"{one}_proj")] for one in "qkv"]
            named[f"{place}{ours}.in_proj_{tail[1]}"] = torch.cat(whole)
        elif ours and tail[0] == "out_proj":
            named[f"{place}{ours}.out_proj.{tail[1]}"] = tensor
        elif part in ("fc1", "fc2"):
            named[f"{place}{NAMES[part]}.{tail[0]}"] = tensor
        elif part.endswith("layer_norm"):
            number = {"self_attn_layer_norm": 1, "encoder_attn_layer_norm": 2}.get(part, 3 if stack == "decoder" else 2)
            named[f"{place}norm{number}.{tail[0]}"] = tensor
    return named


def main() -> None:
    options = parse()
    torch.manual_seed(1)
    model = Model(read_config(options.weights)).train()
    missing, unexpected = model.load_state_dict(
        named_for_torch(load_file(options.weights / "model.safetensors")), strict=False
    )
    assert not unexpected, unexpected
    assert missing == ["places"], missing

    def loss_of(pairs: Pairs) -> Tensor:
        with torch.no_grad():
            model.tokens.weight[model.pad].zero_()  # also what the decoder starts from; ours stays zero
        return smoothed_loss(model(pairs.source, shifted(pairs.target, model.pad)), pairs.target, model.pad)

    serve(TURNS, f"torch.nn.Transformer {torch.__version__}", Training(model, loss_of, model.pad, options))


if __name__ == "__main__":
    main()
