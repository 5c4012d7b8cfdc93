"""The searches against the ``generate`` of another library, on equal random weights."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest
import torch
from safetensors.torch import save_file

from regard.decoding.batches import SourceBatch
from regard.decoding.beam import beam_search
from regard.decoding.constraints import forbid_repeats, penalise_repeats
from regard.decoding.greedy import greedy_search
from regard.decoding.sample import narrow
from regard.decoding.search import search
from regard.decoding.settings import DecodingSettings
from regard.families import gpt2, transformer
from regard.models.heads import LANGUAGE
from regard.models.public import public_weights
from regard.models.vocabulary import Vocabulary, joint_vocabulary

transformers = pytest.importorskip("transformers")
VOCABULARY = joint_vocabulary(40)


def write_public(folder, family, model, vocabulary):
    """A folder that transformers opens."""
    (folder / "config.json").write_text(json.dumps(family.public_config(family.TOY, vocabulary)))
    weights = public_weights(model, family.public_form(family.TOY, vocabulary), LANGUAGE)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.fixture(scope="module")
def both(tmp_path_factory, lively):
    """Our model, and theirs read from the folder that ours is saved as."""
    folder = tmp_path_factory.mktemp("marian")
    torch.manual_seed(1)
    ours = lively(transformer.TOY, 40)
    write_public(folder, transformer, ours, VOCABULARY)
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


@pytest.mark.parametrize("beam", [1, 3])
def test_tokens_are_theirs_with_a_forced_first_one_and_forbidden_ones_and_a_penalty(both, beam):
    ours, theirs = both
    settings = DecodingSettings(
        beam=beam,
        penalty="plain",
        length_penalty=1.0,
        rules="transformers",
        repetition_penalty=1.7,
        forced_first=9,
        suppress=(18, 37),
        min_length=4,
    )
    rules = {"num_beams": beam, "length_penalty": 1.0, "repetition_penalty": 1.7, "forced_bos_token_id": 9}
    every = []
    for source in by_length(60):
        batch = SourceBatch(torch.arange(len(source)), source, torch.full((len(source),), source.shape[1] + 10))
        found = search(ours, batch, settings)
        tokens, _ = their_tokens(theirs, source, 10, suppress_tokens=[18, 37], min_new_tokens=4, **rules)
        assert [one.ids for (one,) in found] == tokens
        every += tokens
    assert {ids[0] for ids in every} == {9}
    assert len(set(every)) > 3


@pytest.fixture(scope="module")
def writers(tmp_path_factory):
    """Our GPT-2 and theirs, which ends now and then."""
    folder = tmp_path_factory.mktemp("gpt2")
    torch.manual_seed(3)
    vocabulary = Vocabulary.of_texts(40, {"eos": 39, "bos": 39, "pad": 39})
    ours = gpt2.build(gpt2.TOY, vocabulary).eval()
    with torch.no_grad():
        for weight in ours.parameters():
            weight.normal_(0.0, 0.4) if weight.ndim == 2 else weight.add_(torch.randn_like(weight) * 0.4)
        last = ours.stack.final_norm
        last.weight.normal_()  # or it would repeat itself
        last.bias.add_(ours.stack.embed.tokens.weight[39])  # and not end
    write_public(folder, gpt2, ours, vocabulary)
    return ours, transformers.GPT2LMHeadModel.from_pretrained(folder).eval()


def their_completions(theirs, prompts, new, ends=39, **rules):
    settings = transformers.GenerationConfig(max_new_tokens=new, eos_token_id=ends, pad_token_id=39, **rules)
    written = theirs.generate(prompts, attention_mask=torch.ones_like(prompts), generation_config=settings)
    stops = {ends} if isinstance(ends, int) else set(ends)
    tokens = []
    for row in written[:, prompts.shape[1] :].tolist():
        end = next((place for place, token in enumerate(row) if token in stops), new)
        tokens.append((tuple(row[:end]), end < new))
    return tokens


@pytest.mark.parametrize("beam", [1, 2, 4])
@pytest.mark.parametrize(
    ("ours_rules", "their_rules"),
    [
        ({}, {}),
        ({"repetition_penalty": 1.3}, {"repetition_penalty": 1.3}),
        ({"repetition_penalty": 0.8}, {"repetition_penalty": 0.8}),
        ({"no_repeat_ngram": 2}, {"no_repeat_ngram_size": 2}),
        (
            {"repetition_penalty": 2.0, "no_repeat_ngram": 3, "min_length": 4, "suppress": (3, 8)},
            {"repetition_penalty": 2.0, "no_repeat_ngram_size": 3, "min_new_tokens": 4, "suppress_tokens": [3, 8]},
        ),
        ({"ends": (7, 20)}, {"ends": [39, 7, 20]}),
    ],
)
def test_completions_are_theirs_token_for_token(writers, beam, ours_rules, their_rules):
    ours, theirs = writers
    settings = DecodingSettings(beam=beam, penalty="plain", length_penalty=1.0, rules="transformers", **ours_rules)
    ended, every = set(), []
    generator = torch.Generator().manual_seed(11)
    for length in (1, 2, 5, 9):
        prompts = torch.randint(0, 39, (15, length), generator=generator)
        batch = SourceBatch(torch.arange(15), prompts, torch.full((15,), 12))
        found = search(ours, batch, settings, continues=True)
        expected = their_completions(theirs, prompts, 12, num_beams=beam, length_penalty=1.0, **their_rules)
        assert [(one.ids, one.ended) for (one,) in found] == expected
        ended |= {end for _, end in expected}
        every += expected
    assert True in ended
    assert len(set(every)) > 20


def test_what_was_written_is_penalised_as_theirs_is():
    logits = torch.randn(50, 12, dtype=torch.float64) * 3
    history = torch.randint(0, 12, (50, 7))
    theirs = transformers.RepetitionPenaltyLogitsProcessor(1.4)(history, logits)
    torch.testing.assert_close(penalise_repeats(logits.clone(), history, 1.4), theirs, rtol=0, atol=0)
    theirs = transformers.NoRepeatNGramLogitsProcessor(2)(history, logits)
    ours = logits.clone()
    forbid_repeats(ours, history, 2)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("min_p", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (3, 1.0), (0, 0.7), (6, 0.5)])
def test_the_tokens_that_may_be_drawn_are_theirs(top_k, top_p, min_p):
    logits = torch.randn(200, 20, dtype=torch.float64) * 2
    theirs = logits
    if top_k:
        theirs = transformers.TopKLogitsWarper(top_k)(None, theirs)
    if top_p < 1.0:
        theirs = transformers.TopPLogitsWarper(top_p)(None, theirs)
    theirs = transformers.MinPLogitsWarper(min_p)(None, theirs)
    torch.testing.assert_close(narrow(logits, top_k, top_p, min_p), theirs.log_softmax(dim=1))
