"""Runs on disk against CTranslate2, whose converter reads them as Marian or Pegasus."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from regard.decoding.beam import beam_search
from regard.decoding.greedy import greedy_search
from regard.decoding.settings import DecodingSettings

pytest.importorskip("transformers")
ctranslate2 = pytest.importorskip("ctranslate2")

LONGEST = 24  # tokens before </s>


@pytest.fixture(scope="module")
def theirs(written, tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted") / "model"
    ctranslate2.converters.TransformersConverter(str(written.folder)).convert(str(folder))
    return ctranslate2.Translator(str(folder), inter_threads=1, intra_threads=1, compute_type="float32")


@pytest.fixture(scope="module")
def pieces(written) -> list[str]:
    """Every piece by its id, as the tokenizer's file has them."""
    vocabulary = json.loads((written.folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    found = dict(zip(vocabulary.values(), vocabulary, strict=True))
    return [found.get(index, "<pad>") for index in range(written.tokenizer.size)]


def translated(theirs, pieces: list[str], source: Tensor, beams: int) -> list[tuple[tuple[int, ...], float]]:
    rows = [[pieces[index] for index in row[: row.index(0) + 1]] for row in source.tolist()]  # with </s>
    found = theirs.translate_batch(
        rows,
        beam_size=beams,
        length_penalty=0.0,
        max_decoding_length=LONGEST,
        min_decoding_length=0,
        return_scores=True,
    )
    index_of = {piece: index for index, piece in enumerate(pieces)}
    return [(tuple(index_of[piece] for piece in one.hypotheses[0]), one.scores[0]) for one in found]


@pytest.mark.parametrize("beams", [1, 3], ids=["greedy", "beam"])
def test_tokens_and_scores_are_the_same(written, theirs, pieces, sources, beams):
    """Without length penalty, under which CTranslate2 has a rule of its own for when to stop."""
    source, limits = sources(24), torch.full((24,), LONGEST + 1)
    settings = DecodingSettings(beam=beams, length_penalty=0.0, rules="transformers")
    search = greedy_search if beams == 1 else beam_search
    ours = [hypotheses[0] for hypotheses in search(written.model, source, limits, settings)]
    found = translated(theirs, pieces, source, beams)
    assert [one.ids for one in ours] == [ids for ids, _ in found]
    assert [one.score for one in ours] == pytest.approx([score for _, score in found], abs=1e-3)
    assert len({one.ids for one in ours}) > 5


def test_what_is_converted_ends_in_the_pad_that_is_never_written(written, theirs, pieces, sources):
    found = translated(theirs, pieces, sources(24), 1)
    assert pieces[-1] == "<pad>"
    assert all(written.model.pad not in ids for ids, _ in found)
