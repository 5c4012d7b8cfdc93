"""Measuring a run on a test set: the numbers of sacreBLEU, and a perplexity that torch's cross entropy agrees with."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from sacrebleu.metrics import BLEU, CHRF, TER
from torch.nn import functional

from regard.decoding.settings import DecodingSettings
from regard.runs import measure as measuring
from regard.runs.folder import Model, load
from regard.runs.measure import measure, reference_perplexity
from regard.tasks.text_to_text import shift_right


@pytest.fixture(scope="module")
def model(finished_run: Path) -> Model:
    return load(finished_run)


@pytest.fixture
def texts(toy: Path) -> tuple[list[str], list[str]]:
    source, target = ((toy / f"test.{ending}").read_text(encoding="utf-8").splitlines() for ending in ("en", "de"))
    return source, target


def by_hand(model: Model, sources: list[str], references: list[str]) -> tuple[float, int]:
    """Nats and tokens, a pair at a time, by torch's cross entropy."""
    nats, tokens = 0.0, 0
    module = model.module
    for source, target in zip(sources, references, strict=True):
        ids = [torch.tensor([[*model.source_tokenizer.encode(text), 0]]) for text in (source, target)]
        with torch.no_grad():
            logits = module.logits(module(ids[0], shift_right(ids[1], module.start)))[0]
        nats += functional.cross_entropy(logits.double(), ids[1][0], reduction="sum").item()
        tokens += ids[1].numel()
    return nats, tokens


def test_scores_are_those_of_sacrebleu_on_the_translations(model, texts):
    sources, references = texts
    settings = DecodingSettings(beam=1, max_extra=5)
    found = measure(model, sources, references, settings)
    assert found.translations == model.translate(sources, beam=1)
    for metric, score in ((BLEU(), found.scores.bleu), (CHRF(), found.scores.chrf), (TER(), found.scores.ter)):
        assert score.score == pytest.approx(metric.corpus_score(found.translations, [references]).score)
    table = found.to_dict()
    assert table["bleu"]["score"] == found.scores.bleu.score
    assert table["bleu"]["signature"].startswith("nrefs:1|")
    assert "translations" not in table


@pytest.mark.parametrize("budget", [4096, 30, 1])
def test_perplexity_is_that_of_cross_entropy_a_pair_at_a_time(model, texts, monkeypatch, budget):
    monkeypatch.setattr(measuring, "BATCH_TOKENS", budget)
    sources, references = texts
    found = reference_perplexity(model, sources, references)
    nats, tokens = by_hand(model, sources, references)
    assert found.tokens == tokens
    assert found.nats_per_token == pytest.approx(nats / tokens, rel=1e-5)
    assert found.perplexity == pytest.approx(math.exp(nats / tokens), rel=1e-4)
    assert found.nats_per_word == pytest.approx(nats / sum(len(line.split()) for line in references), rel=1e-5)


def test_pairs_with_an_empty_side_have_no_perplexity_but_are_scored(model, texts):
    sources, references = ([*side[:4]] for side in texts)
    sources[1], references[2] = "", "  "
    found = measure(model, sources, references, DecodingSettings(beam=1, max_extra=5))
    assert found.translations[1] == ""
    assert len(found.translations) == 4
    _, tokens = by_hand(model, [sources[0], sources[3]], [references[0], references[3]])
    assert found.perplexity.tokens == tokens


def test_validation_while_training_measured_the_same(finished_run, toy):
    """What metrics.jsonl says of the last step is what measuring the last checkpoint gives (SMALL_RUN: max_extra 5)."""
    from regard.models.state import put_weights
    from regard.runs.journal import read_journal
    from regard.training.checkpoint import kept_weights

    model = load(finished_run)
    bias = model.module.output.bias
    put_weights(model.module, {**kept_weights(finished_run / "checkpoints" / "step-30"), "output.bias": bias})
    sources, references = (
        (toy / f"valid.{ending}").read_text(encoding="utf-8").splitlines() for ending in ("en", "de")
    )
    last = [record for record in read_journal(finished_run / "metrics.jsonl") if "valid_loss" in record][-1]
    nats, tokens = by_hand(model, sources, references)
    assert last["valid_loss"] == pytest.approx(nats / tokens, rel=1e-5)
    assert last["valid_perplexity"] == pytest.approx(math.exp(nats / tokens), rel=1e-4)
    greedy = [one.text for one in model.translations(sources[:4], DecodingSettings(beam=1, max_extra=5))]
    assert last["valid_bleu"] == pytest.approx(BLEU(force=True).corpus_score(greedy, [references[:4]]).score)
