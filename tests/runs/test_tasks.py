"""Every task trains, stops and goes on to the same bytes, whatever happens between its steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from regard.config import parse_overrides
from regard.errors import SettingError
from regard.runs.folder import load
from regard.runs.journal import read_journal
from regard.runs.material import KINDS, learn_tokenizers, prepare, read_corpus
from regard.runs.recipe import TASKS, recipe_from

PICTURES = ("pictures", "family=vit", "model.image_size=8", "model.patch=4", "images.batch=8")
CAPTIONER = (
    *("family=captioner", "model.image_size=16", "model.widths=[8,8]", "model.depths=[1,1]", "model.stem_width=8"),
    *("model.d_embedding=12", "images.batch=8", "tokenizer.size=300"),
)
DETECTOR = (
    *("family=detr", "model.size=tiny", "model.image_size=32", "model.widths=[8,8]", "model.depths=[1,1]"),
    *("model.queries=4", "model.stem_width=8", "images.batch=8"),
)
# What each task is learnt from, and by whom.
LEARNT = {
    "translation": ("pairs", "family=transformer"),
    "next_token": ("texts", "family=gpt2"),
    "next_token, packed": ("texts", "family=llama", "task.packed=true"),
    "masked_token": ("texts", "family=bert"),
    "masked_token, whole words": ("texts", "family=roberta", "task.masking.whole_words=true"),
    "span_corruption": ("texts", "family=t5"),
    "denoising": ("texts", "family=bart"),
    "classification": ("labelled", "family=bert"),
    "classification, pairs": ("labelled", "family=roberta", "data.second_column=second"),
    "classification, last token": ("labelled", "family=gpt2"),
    "token_classification": ("words", "family=bert", "task.kind=token_classification"),
    "embedding": ("pairs", "family=bert", "task.kind=embedding"),
    "embedding, alone": ("texts", "family=bert", "task.kind=embedding"),
    "image_classification": (*PICTURES, "images.augment.mixup=0.5", "images.augment.operations=1"),
    "detection": ("boxes", *DETECTOR),
    "captioning": ("captions", *CAPTIONER),
    "captioning, evenly": ("captions", *CAPTIONER, "model.decoder=transformer", "task.coverage=0.5"),
}


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def losses(folder: Path) -> list[float]:
    return [record["loss"] for record in read_journal(folder / "metrics.jsonl") if "loss" in record]


def test_every_task_is_tried_here():
    assert {name.partition(",")[0] for name in LEARNT} == set(TASKS) == set(KINDS)


@pytest.mark.parametrize("name", LEARNT)
def test_a_run_that_was_stopped_comes_to_the_same_bytes(given, trained, tmp_path, name):
    """Stopped before, after and between two validations, and once more."""
    table = given(*LEARNT[name])
    trained(tmp_path / "straight", table)
    assert trained(tmp_path / "stopped", table, 2).step == 2
    trained(tmp_path / "stopped", None, 4)
    assert trained(tmp_path / "stopped").finished is not None
    assert weights(tmp_path / "stopped") == weights(tmp_path / "straight")
    assert losses(tmp_path / "stopped") == losses(tmp_path / "straight")
    validated = [
        [(record["step"], record["valid_loss"]) for record in read_journal(tmp_path / run / "metrics.jsonl")
         if "valid_loss" in record]
        for run in ("straight", "stopped")
    ]  # fmt: skip
    assert validated[0] == validated[1]
    assert [step for step, _ in validated[0]] == [3, 6]
    kind = name.partition(",")[0]
    assert json.loads((tmp_path / "straight" / "config.json").read_text(encoding="utf-8"))["model_type"]
    assert load(tmp_path / "straight").head.kind == {
        "classification": "classification",
        "token_classification": "tokens",
        "embedding": "none",
        "image_classification": "classification",
        "detection": "detection",
    }.get(kind, "language")


def test_what_a_crash_left_half_done_is_undone_before_a_run_goes_on(given, trained, tmp_path):
    table = given(*LEARNT["next_token"])
    trained(tmp_path / "straight", table)
    trained(tmp_path / "stopped", table, 2)
    checkpoints = tmp_path / "stopped" / "checkpoints"
    (checkpoints / "step-2").rename(checkpoints / ".step-2.old")  # it was being replaced
    (checkpoints / ".step-2.partial").mkdir()
    outcome = trained(tmp_path / "stopped")
    assert outcome.finished is not None
    assert weights(tmp_path / "stopped") == weights(tmp_path / "straight")
    steps = [record["step"] for record in read_journal(tmp_path / "stopped" / "metrics.jsonl") if "loss" in record]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert not list(checkpoints.glob(".step-*"))


@pytest.mark.parametrize("name", [name for name in LEARNT if "," not in name])
def test_preparing_tells_of_each_example_and_how_many_there_are(given, tmp_path, name):
    corpus = read_corpus(recipe_from(given(*LEARNT[name])))
    heard: list[tuple[int, int]] = []
    prepare(corpus, tmp_path, *learn_tokenizers(corpus), progress=lambda *told: heard.append(told))
    first = max(place for place, (done, _) in enumerate(heard) if done == 1)  # of those to train on, which come last
    count = len(heard) - first
    assert count > 10
    assert heard[first:] == [(done, count) for done in range(1, count + 1)]


@pytest.mark.parametrize("name", ["masked_token", "denoising", "span_corruption"])
def test_validation_in_between_changes_nothing_though_it_draws_noise(given, trained, tmp_path, name):
    for folder, every in (("often", 1), ("never", 6)):
        trained(tmp_path / folder, given(*LEARNT[name], f"train.validate_every={every}"))
    assert weights(tmp_path / "often") == weights(tmp_path / "never")
    often, never = (read_journal(tmp_path / folder / "metrics.jsonl") for folder in ("often", "never"))
    assert often[-1]["valid_loss"] == never[-1]["valid_loss"]


def test_the_noise_is_new_at_every_step_and_for_every_seed(given, trained, tmp_path):
    """With weights that stand still, a loss differs from another of the same texts by its noise alone."""
    still = ["train.learning_rate=0", "model.dropout=0", "train.batch_tokens=100000", "train.label_smoothing=0"]
    table = given("texts", "family=bert", *still, "model.attention_dropout=0")
    trained(tmp_path / "run", table)
    assert len(set(losses(tmp_path / "run"))) == 6


def test_the_run_opens_in_transformers(given, trained, tmp_path):
    """Its weights are those that the library names, so that none is missing and none is left over."""
    transformers = pytest.importorskip("transformers")
    for name, kind in (
        ("next_token", "AutoModelForCausalLM"),
        ("masked_token", "AutoModelForMaskedLM"),
        ("classification", "AutoModelForSequenceClassification"),
        ("token_classification", "AutoModelForTokenClassification"),
        ("span_corruption", "AutoModelForSeq2SeqLM"),
        ("image_classification", "AutoModelForImageClassification"),
        ("detection", "AutoModelForObjectDetection"),
    ):
        folder = tmp_path / name
        trained(folder, given(*LEARNT[name], "train.steps=1"))
        _, told = getattr(transformers, kind).from_pretrained(folder, output_loading_info=True)
        assert not told["missing_keys"], name
        assert not told["unexpected_keys"], name
        assert load_file(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("task.masking.share=0.2", "task.masking.share=0.2"),
        ("task.block=20", "task.block=20"),
        ("task.kind=embedding", "task.kind=embedding"),
        ("init.freeze=['encoder.embed']", "init.freeze=['encoder.embed']"),
        ("train.layer_decay=0.9", "train.layer_decay=0.9"),
        ("data.valid_pairs=5", "data.valid_pairs=5"),
        ("family=roberta", "family=roberta"),
    ],
)
def test_a_run_goes_on_only_with_the_settings_of_every_section_that_it_began_with(
    given, trained, tmp_path, setting, named
):
    trained(tmp_path / "run", given(*LEARNT["masked_token"]), 1)
    with pytest.raises(SettingError, match="expected the settings that the run began with; leave them out") as caught:
        trained(tmp_path / "run", parse_overrides([setting]), resume=True)
    assert str(caught.value).startswith(f"--resume: got {named}")
    same = parse_overrides(["task.block=24", "family=bert", "task.masking.share=0.15"])
    assert trained(tmp_path / "run", same, resume=True).finished is not None
