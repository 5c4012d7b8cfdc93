"""The searches against the ``generate`` of another library, on equal random weights."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest
import torch
from safetensors.torch import save_file

from regard.decoding.beam import beam_search
from regard.decoding.greedy import greedy_search
from regard.decoding.sample import narrow
from regard.decoding.settings import DecodingSettings
from regard.families import transformer
from regard.models.vocabulary import joint_vocabulary

transformers = pytest.importorskip("transformers")
VOCABULARY = joint_vocabulary(40)


@pytest.fixture(scope="module")
def both(tmp_path_factory, lively):
    """Our model, and theirs read from the folder that ours is saved as."""
    folder = tmp_path_factory.mktemp("marian")
    torch.manual_seed(1)
    ours = lively(transformer.TOY, 40)
    (folder / "config.json").write_text(json.dumps(transformer.public_config(transformer.TOY, VOCABULARY)))
    save_file(transformer.public_weights(ours, transformer.TOY), folder / "model.safetensors", {"format": "pt"})
    theirs = transformers.MarianMTModel.from_pretrained(folder).eval()
    return ours, theirs


def by_length(count: int) -> list[torch.Tensor]:
    """Random sources with </s>, those of equal length together, so that nobody needs padding."""
    generator = torch.Generator().manual_seed(7)
    groups = defaultdict(list)
    for _ in range(count):
        length = int(torch.randint(2, 10, (), generator=generator))
        groups[length].append(
            [*torch.randint(2, VOCABULARY.pad, (length,), generator=generator).tolist(), VOCABULARY.eos]
        )
    return [torch.tensor(rows) for rows in groups.values()]


def their_tokens(theirs, source, extra, **rules):
    limit = source.shape[1] + extra
    settings = transformers.GenerationConfig(
        bad_words_ids=[[VOCABULARY.pad]],
        decoder_start_token_id=VOCABULARY.start,
        eos_token_id=VOCABULARY.eos,
        forced_eos_token_id=VOCABULARY.eos,
        max_length=limit + 1,
        pad_token_id=VOCABULARY.pad,
        return_dict_in_generate=True,
        output_scores=True,
        **rules,
    )
    found = theirs.generate(source, attention_mask=torch.ones_like(source), generation_config=settings)
    ids = [row[1:] for row in found.sequences.tolist()]
    return [tuple(row[: row.index(VOCABULARY.eos)]) for row in ids], getattr(found, "sequences_scores", None)


def test_greedy_tokens_are_theirs(both):
    ours, theirs = both
    every = []
    for source in by_length(60):
        limits = torch.full((len(source),), source.shape[1] + 20)
        found = greedy_search(ours, source, limits, DecodingSettings(beam=1))
        assert [one.ids for (one,) in found] == their_tokens(theirs, source, 20, num_beams=1)[0]
        every += [one.ids for (one,) in found]
    assert len(set(every)) > 30


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("beam", [2, 5])
def test_beam_tokens_and_scores_are_theirs(both, beam, alpha):
    ours, theirs = both
    settings = DecodingSettings(beam=beam, n_best=2, length_penalty=alpha, penalty="plain", rules="transformers")
    ends = set()
    for source in by_length(60):
        limits = torch.full((len(source),), source.shape[1] + 15)
        found = beam_search(ours, source, limits, settings)
        tokens, scores = their_tokens(theirs, source, 15, num_beams=beam, num_return_sequences=2, length_penalty=alpha)
        assert [one.ids for pair in found for one in pair] == tokens
        assert [one.score for pair in found for one in pair] == pytest.approx(scores.tolist(), abs=1e-4)
        ends |= {len(ids) < int(limits[0]) - 1 for ids in tokens}
    assert ends == {True, False}  # some ended by themselves, some at the limit


def test_beam_tokens_are_theirs_without_repeats_and_with_a_least_length(both):
    ours, theirs = both
    settings = DecodingSettings(penalty="plain", rules="transformers", no_repeat_ngram=2, min_length=5)
    for source in by_length(60):
        limits = torch.full((len(source),), source.shape[1] + 10)
        found = beam_search(ours, source, limits, settings)
        rules = {"num_beams": 4, "length_penalty": 0.6, "no_repeat_ngram_size": 2, "min_new_tokens": 5}
        assert [one.ids for (one,) in found] == their_tokens(theirs, source, 10, **rules)[0]


@pytest.mark.parametrize(("top_k", "top_p"), [(3, 1.0), (0, 0.7), (6, 0.5)])
def test_the_tokens_that_may_be_drawn_are_theirs(top_k, top_p):
    logits = torch.randn(200, 20, dtype=torch.float64) * 2
    theirs = logits
    if top_k:
        theirs = transformers.TopKLogitsWarper(top_k)(None, theirs)
    if top_p < 1.0:
        theirs = transformers.TopPLogitsWarper(top_p)(None, theirs)
    torch.testing.assert_close(narrow(logits, top_k, top_p), theirs.log_softmax(dim=1))
