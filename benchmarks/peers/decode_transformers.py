"""Translate with the transformers library; bench_peers.py talks to it (lines.py has the translating)."""

from __future__ import annotations

from turns import Turns

TURNS = Turns()

from collections.abc import Sequence  # noqa: E402

import torch  # noqa: E402
import transformers  # noqa: E402
from lines import LONGEST, parser, serve  # noqa: E402
from transformers import AutoTokenizer, MarianMTModel  # noqa: E402

BATCH = 64


def main() -> None:
    options = parser().parse_args()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = MarianMTModel.from_pretrained(options.model).eval()
    settings = {"num_beams": options.beam, "do_sample": False, "max_length": None, "max_new_tokens": LONGEST}
    if options.beam > 1:
        settings |= {"length_penalty": 1.0, "early_stopping": True}

    def translate(lines: Sequence[str]) -> tuple[list[str], int]:
        sources = tokenizer(list(lines))["input_ids"]
        order = sorted(range(len(lines)), key=lambda number: -len(sources[number]))
        texts, tokens = [""] * len(lines), 0
        for first in range(0, len(order), BATCH):
            numbers = order[first : first + BATCH]
            inputs = tokenizer.pad({"input_ids": [sources[number] for number in numbers]}, return_tensors="pt")
            with torch.inference_mode():
                found = model.generate(
                    input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], **settings
                )[:, 1:]
            tokens += int((found != model.config.pad_token_id).sum())
            for number, text in zip(numbers, tokenizer.batch_decode(found, skip_special_tokens=True), strict=True):
                texts[number] = text
        return texts, tokens

    serve(TURNS, f"transformers {transformers.__version__}", translate, options)


if __name__ == "__main__":
    main()
