"""Do other libraries, given the run's folder, write the same tokens?

    python benchmarks/agreement.py RUN FILE [--sentences 200] [--beam 4]

Greedy and beam search over the first lines of FILE in regard, transformers and CTranslate2, float32. Beam search is
compared under rules that all three have: score = log P / length (transformers counts ``</s>`` into the length, as
``rules="transformers"`` does here; CTranslate2 does not, so its beam may prefer another length).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import ctranslate2
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

import regard
from regard.data.corpus import read_lines
from regard.runs.export import export

BATCH = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--beam", type=int, default=4)
    options = parser.parse_args()
    texts = list(islice(read_lines(options.file), options.sentences))
    for beam in (1, options.beam):
        ours = with_regard(options.run, texts, beam)
        for name, theirs in (
            ("transformers", with_transformers(options.run, texts, beam)),
            ("CTranslate2", with_ctranslate2(options.run, texts, beam)),
        ):
            equal = sum(a == b for a, b in zip(ours, theirs, strict=True))
            print(f"beam {beam}  {name:>12}: {equal} of {len(texts)} equal, token for token")


def with_regard(run: Path, texts: Sequence[str], beam: int) -> list[list[int]]:
    model = regard.load(run)
    settings = model.settings(beam=beam, rules="transformers", penalty="plain", length_penalty=1.0)
    return [list(found.ids) for found in model.translations(texts, settings)]


def with_transformers(run: Path, texts: Sequence[str], beam: int) -> list[list[int]]:
    tokenizer = AutoTokenizer.from_pretrained(run)
    model = AutoModelForSeq2SeqLM.from_pretrained(run).eval()
    written = []
    for first in range(0, len(texts), BATCH):
        inputs = tokenizer(list(texts[first : first + BATCH]), return_tensors="pt", padding=True)
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            outputs = model.generate(**inputs, num_beams=beam, length_penalty=1.0, max_length=512)
        written += [without_specials(row, model.config.eos_token_id) for row in outputs[:, 1:].tolist()]
    return written


def with_ctranslate2(run: Path, texts: Sequence[str], beam: int) -> list[list[int]]:
    tokenizer = AutoTokenizer.from_pretrained(run)
    sources = [tokenizer.convert_ids_to_tokens(ids) for ids in tokenizer(list(texts))["input_ids"]]
    with tempfile.TemporaryDirectory() as folder:
        export(run, Path(folder) / "model", "ctranslate2")
        translator = ctranslate2.Translator(f"{folder}/model", compute_type="float32")
        results = translator.translate_batch(sources, beam_size=beam, length_penalty=1.0, max_decoding_length=511)
    return [tokenizer.convert_tokens_to_ids(result.hypotheses[0]) for result in results]


def without_specials(ids: Sequence[int], eos: int) -> list[int]:
    ids = list(ids)
    return ids[: ids.index(eos)] if eos in ids else ids


if __name__ == "__main__":
    main()
