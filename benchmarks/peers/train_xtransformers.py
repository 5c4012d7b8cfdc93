"""Train the encoder–decoder of x-transformers; bench_peers.py talks to it (steps.py has the training).

It is pre-norm and begins with weights of its own. Its loss has no label smoothing.
"""

from __future__ import annotations

from turns import Turns

TURNS = Turns()

from importlib.metadata import version  # noqa: E402

import torch  # noqa: E402
from steps import Pairs, Training, parse, read_config, serve  # noqa: E402
from torch import Tensor  # noqa: E402
from x_transformers import XTransformer  # noqa: E402

IGNORED = -100


def main() -> None:
    options = parse()
    torch.manual_seed(1)
    config = read_config(options.weights)
    pad, rate = config["pad_token_id"], config["dropout"]
    side = {
        "num_tokens": config["vocab_size"],
        "depth": config["encoder_layers"],
        "heads": config["encoder_attention_heads"],
        "attn_dim_head": config["d_model"] // config["encoder_attention_heads"],
        "ff_mult": config["encoder_ffn_dim"] / config["d_model"],
        "max_seq_len": 256,
        "attn_flash": True,
        "emb_dropout": rate,
        "ff_dropout": rate,
    }
    both = {f"{half}_{name}": value for half in ("enc", "dec") for name, value in side.items()}
    model = XTransformer(dim=config["d_model"], tie_token_emb=True, pad_value=pad, ignore_index=IGNORED, **both).train()

    def loss_of(pairs: Pairs) -> Tensor:
        read = torch.cat((torch.full((len(pairs.target), 1), pad), pairs.target), 1)
        padding = torch.cat((torch.zeros(len(read), 1, dtype=torch.bool), pairs.target == pad), 1)
        return model(pairs.source, read.masked_fill(padding, IGNORED), mask=pairs.source != pad)

    serve(TURNS, f"x-transformers {version('x-transformers')}", Training(model, loss_of, pad, options))


if __name__ == "__main__":
    main()
