"""Train a Marian model of the transformers library; bench_peers.py talks to it (steps.py has the training)."""

from __future__ import annotations

from turns import Turns

TURNS = Turns()

import torch  # noqa: E402
import transformers  # noqa: E402
from steps import Pairs, Training, parse, serve, shifted, smoothed_loss  # noqa: E402
from torch import Tensor  # noqa: E402


def main() -> None:
    options = parse()
    torch.manual_seed(1)
    model = transformers.MarianMTModel.from_pretrained(options.weights).train()
    model.final_logits_bias.zero_()  # it forbids padding by −1e9, of which label smoothing would take its share
    pad = model.config.pad_token_id

    def loss_of(pairs: Pairs) -> Tensor:
        with torch.no_grad():
            model.get_input_embeddings().weight[pad].zero_()  # also what the decoder starts from; ours stays zero
        logits = model(
            input_ids=pairs.source,
            attention_mask=(pairs.source != pad).long(),
            decoder_input_ids=shifted(pairs.target, pad),
            use_cache=False,
        ).logits
        return smoothed_loss(logits, pairs.target, pad)

    serve(TURNS, f"transformers {transformers.__version__}", Training(model, loss_of, pad, options))


if __name__ == "__main__":
    main()
