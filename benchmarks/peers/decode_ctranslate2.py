"""Translate with CTranslate2; bench_peers.py talks to it (lines.py has the translating)."""

from __future__ import annotations

from turns import Turns

TURNS = Turns()

from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

import ctranslate2  # noqa: E402
from lines import LONGEST, parser, serve  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402


def main() -> None:
    arguments = parser()
    arguments.add_argument("--converted", type=Path, required=True)
    arguments.add_argument("--products", default="float32")
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--threads", type=int, default=1, help="of each worker")
    arguments.add_argument("--batch-tokens", type=int, default=8192)
    options = arguments.parse_args()
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    translator = ctranslate2.Translator(
        str(options.converted),
        compute_type=options.products,
        inter_threads=options.workers,
        intra_threads=options.threads,
    )

    def translate(lines: Sequence[str]) -> tuple[list[str], int]:
        results = translator.translate_batch(
            [encoded.tokens for encoded in tokenizer.encode_batch(list(lines))],
            beam_size=options.beam,
            length_penalty=1.0,
            max_decoding_length=LONGEST,
            max_batch_size=options.batch_tokens,
            batch_type="tokens",
        )
        pieces = [result.hypotheses[0] for result in results]
        ids = [[tokenizer.token_to_id(piece) for piece in text] for text in pieces]
        return tokenizer.decode_batch(ids), sum(map(len, ids)) + len(ids)

    serve(TURNS, f"CTranslate2 {ctranslate2.__version__}", translate, options)


if __name__ == "__main__":
    main()
