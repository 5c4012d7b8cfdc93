"""A run on disk: its files, its recipe, and what regard and other libraries make of it."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch

import regard
from regard.config import read_toml
from regard.decoding.settings import DecodingSettings
from regard.errors import CheckpointError, RunError, SettingError
from regard.models.heads import LANGUAGE
from regard.runs import folder as folders
from regard.runs.folder import load, read_json, read_recipe, training_seconds, write_model
from regard.runs.recipe import recipe_from
from regard.storage import damage
from regard.tasks.text_to_text import shift_right

WEIRD = [
    "The dog </s> did not <pad> cross <unk> it.",
    "</s>",
    "<pad><pad>",
    "  two  spaces,\ttabs  and an end ",
    "naïve Größe cafe\u0301 ﬁ Ⅳ ½",
    "안녕하세요 你好 👩‍👩‍👧 \u202eabc\u202c",
    "\x00\x07 \u2028 \u0085 \ufeff",
    "▁▁ <0x41> ##ing ⁇ it's don't . . .",
    "supercalifragilisticexpialidocious" * 5,
]


def sentences(toy: Path, name: str = "test.en") -> list[str]:
    return (toy / name).read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def lively_run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with noise on its weights, so that every sentence has an output of its own."""
    folder = Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("lively") / "run"))
    module = load(folder).module
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn_like(weight) * (0.2 if weight.ndim == 1 else 0.5))
        module.decoder.blocks[-1].around_feed_forward.norm.weight.normal_()
        module.encoder.embed.tokens.weight[module.pad].zero_()
    write_model(folder, read_recipe(folder), module, LANGUAGE)
    return folder


# What it holds -------------------------------------------------------------------------------------------------------


def test_every_file_that_the_docstring_names_is_there(finished_run):
    assert folders.__doc__ is not None
    names = [word for word in folders.__doc__.split() if "." in word[1:-1] or word.endswith("/")]
    assert len(names) == 12
    for name in names:
        if name == "checkpoints/step-N/":
            assert [path.name for path in sorted((finished_run / "checkpoints").iterdir())] == [
                "step-10",
                "step-20",
                "step-30",
            ]
        else:
            assert (finished_run / name).exists(), name
    assert [path.name for path in finished_run.rglob("*") if path.name.startswith(".")] == []
    assert all(damage(path) is None for path in (finished_run / "checkpoints").iterdir())


def test_the_recipe_is_complete_and_reads_back_equal(finished_run):
    table = read_toml(finished_run / "recipe.toml")
    recipe = recipe_from(table, size="base")
    assert recipe == read_recipe(finished_run)
    assert tomllib.loads(recipe.to_toml()) == table
    assert None not in (recipe.train.steps, recipe.train.warmup, recipe.train.learning_rate, recipe.train.save_every)
    assert (recipe.model.d_model, recipe.model.layers, recipe.tokenizer.size) == (16, 1, 400)
    for section in ("model", "data", "cleaning", "tokenizer", "train", "decode"):
        given = getattr(recipe, section)
        unset = {key for key, value in vars(given).items() if value is None}
        assert set(table[section]) == set(vars(given)) - unset


def test_nothing_that_changes_from_run_to_run_stands_in_the_model(finished_run):
    """Time, host and folder would make equal runs unequal."""
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        text = (finished_run / name).read_text(encoding="utf-8")
        assert str(finished_run.parent) not in text
        json.loads(text)
    header = (finished_run / "model.safetensors").read_bytes()
    size = int.from_bytes(header[:8], "little")
    assert json.loads(header[8 : 8 + size])["__metadata__"] == {"format": "pt"}


def test_the_model_is_the_mean_of_the_last_checkpoints(finished_run):
    """In float64, by hand; all other weights are those of the model's own names."""
    from safetensors.torch import load_file

    saved = [load_file(finished_run / "checkpoints" / f"step-{step}" / "trainer.safetensors") for step in (10, 20, 30)]
    kept = load_file(finished_run / "model.safetensors")
    mean = sum(tensors["weights/encoder.embed.tokens.weight"].double() for tensors in saved) / 3
    torch.testing.assert_close(kept["model.shared.weight"].double(), mean, rtol=1e-6, atol=1e-8)
    bias = kept["final_logits_bias"].flatten()
    assert bias[-1] == -1e9
    assert not bias[:-1].any()


# Opening it ----------------------------------------------------------------------------------------------------------


def test_regard_load_translates_in_order_and_leaves_empty_lines_empty(lively_run, toy):
    model = regard.load(str(lively_run))
    texts = sentences(toy)
    mixed = ["", *texts[:7], "   ", *texts[7:], "\t"]
    alone = [model.translate([text])[0] for text in texts[:3]]
    together = model.translate(mixed)
    assert len(together) == len(mixed)
    assert [together[n] for n in (0, 8, len(mixed) - 1)] == ["", "", ""]
    rest = [text for n, text in enumerate(together) if n not in (0, 8, len(mixed) - 1)]
    assert rest[:3] == alone
    assert model.translate(texts[::-1])[::-1] == rest
    assert len(set(together)) > 8


def test_decoding_settings_come_from_the_recipe_and_may_be_changed(lively_run, toy):
    model = load(lively_run)
    assert (model.decoding.beam, model.decoding.max_extra) == (2, 5)
    texts = sentences(toy)
    greedy = model.translations(texts, DecodingSettings(beam=1, max_extra=5))
    assert model.translate(texts, beam=1) == [one.text for one in greedy]
    with pytest.raises(
        SettingError, match=r"decoding: got .*beem.*; expected settings of decoding; see regard translate"
    ):
        model.translate(texts, beem=1)
    with pytest.raises(SettingError, match="beam: got 0; expected at least 1"):
        model.translate(texts, beam=0)


def test_a_run_without_recipe_is_a_model_all_the_same(run_copy, toy):
    texts = sentences(toy)[:2]
    model = load(run_copy)
    expected = model.translate(texts)
    for path in run_copy.iterdir():
        if path.name in {"recipe.toml", "metrics.jsonl", "README.md", "report.html"}:
            path.unlink()
    assert training_seconds(run_copy) is None
    again = load(run_copy)
    assert [one.text for one in again.translations(texts, model.decoding)] == expected
    assert again.decoding.rules == "transformers"  # as the libraries that made most public models


def test_a_run_may_be_moved(lively_run, tmp_path, toy):
    moved = Path(shutil.copytree(lively_run, tmp_path / "Größe 한글\n x"))
    texts = sentences(toy)[:4]
    assert load(moved).translate(texts) == load(lively_run).translate(texts)


# Other libraries -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def theirs(lively_run: Path) -> tuple[Any, Any]:
    """The run as ``transformers`` opens it."""
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(lively_run).eval()
    return model, transformers.AutoTokenizer.from_pretrained(lively_run)


def test_transformers_makes_the_same_ids_of_any_text(lively_run, theirs, toy):
    ours = load(lively_run).source_tokenizer
    tokenizer = theirs[1]
    texts = [*WEIRD, *sentences(toy), *sentences(toy, "test.de")]
    assert tokenizer(texts, add_special_tokens=False)["input_ids"] == ours.encode_batch(texts)
    assert [tokenizer.decode(ids) for ids in ours.encode_batch(texts)] == [
        ours.decode(ids) for ids in ours.encode_batch(texts)
    ]
    assert (tokenizer.eos_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id) == (0, 1, ours.size - 1)
    assert len(tokenizer) == ours.size


def test_transformers_gives_the_same_logits(lively_run, theirs, toy):
    ours = load(lively_run)
    source = torch.tensor([[*ours.source_tokenizer.encode(sentences(toy)[0]), 0]])
    target = torch.tensor([[*ours.target_tokenizer.encode(sentences(toy, "test.de")[0]), 0]])
    with torch.inference_mode():
        mine = ours.module.logits(ours.module(source, shift_right(target, ours.module.start)))
        other = theirs[0](input_ids=source, labels=target).logits
    torch.testing.assert_close(mine[..., :-1], other[..., :-1], rtol=1e-4, atol=1e-4)


def test_transformers_generates_the_same_greedy_tokens(lively_run, theirs, toy):
    """Alone and in batches with padding, from the folder's own settings of generation."""
    ours = load(lively_run)
    model, tokenizer = theirs
    texts = sentences(toy)
    found = ours.translations(texts, DecodingSettings(beam=1, max_extra=5))
    for begin in range(0, len(texts), 5):
        ids = [[*ids, 0] for ids in ours.source_tokenizer.encode_batch(texts[begin : begin + 5])]
        batch = tokenizer.pad({"input_ids": ids}, return_tensors="pt")
        with torch.inference_mode():
            rows = model.generate(**batch, num_beams=1, do_sample=False, max_new_tokens=max(map(len, ids)) + 5)
        for one, row, own in zip(found[begin : begin + 5], rows.tolist(), ids, strict=True):
            written = row[1:]
            whole = written[: written.index(0)] if 0 in written else written
            assert tuple(whole[: len(own) + 4]) == one.ids[: len(own) + 4]
    assert len({one.ids for one in found}) > 8


def test_ctranslate2_generates_the_same_greedy_tokens(lively_run, tmp_path, toy, command):
    ctranslate2 = pytest.importorskip("ctranslate2")
    ended = command("export", lively_run, tmp_path / "fast", "--to", "ctranslate2")
    assert (ended.code, ended.out.strip()) == (0, str(tmp_path / "fast"))
    ours = load(lively_run)
    texts = sentences(toy)
    found = ours.translations(texts, DecodingSettings(beam=1, max_extra=5))
    translator = ctranslate2.Translator(str(tmp_path / "fast"), device="cpu", intra_threads=1, compute_type="float32")
    pieces = json.loads((lively_run / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    names = {index: piece for piece, index in pieces.items()} | {0: "</s>", 1: "<unk>"}
    sources = [[*(names[index] for index in ours.source_tokenizer.encode(text)), "</s>"] for text in texts]
    results = translator.translate_batch(sources, beam_size=1, max_decoding_length=60)
    for one, result, source in zip(found, results, sources, strict=True):
        limit = len(source) + 4
        assert [names[index] for index in one.ids][:limit] == result.hypotheses[0][:limit]


# Damage --------------------------------------------------------------------------------------------------------------


def test_no_run_is_named(tmp_path):
    with pytest.raises(
        RunError,
        match=r"nothing: got no folder there; expected a folder, or a public model's name such as .*; check the",
    ):
        load(tmp_path / "nothing")


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(
        RunError, match=r"config\.json: got No such file.*; expected a file of a run; name the folder of"
    ):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected a JSON object; use a whole copy of the file"),
        ("", "expected a JSON object"),
        ("[]", "got list; expected a JSON object"),
        ("[" * 100_000, "expected a JSON object"),
        (b"\xff\xfe", "expected a JSON object"),
    ],
    ids=["cut", "empty", "list", "deep", "no UTF-8"],
)
def test_json_that_is_no_object_is_refused(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CheckpointError, match=message):
        read_json(path)


def change_config(run: Path, **changes: Any) -> None:
    table = json.loads((run / "config.json").read_text(encoding="utf-8"))
    table.update(changes)
    table = {key: value for key, value in table.items() if value is not ...}
    (run / "config.json").write_text(json.dumps(table), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model_type": "elmo"},
            "model_type: got elmo; expected marian, as every such model here has it; open a model",
        ),
        (
            {"model_type": "elmo", "family": ...},
            "got model_type 'elmo'; expected one of albert, bart, .*; open another",
        ),
        ({"model_type": ..., "family": ...}, "got model_type None; expected one of"),
        ({"model_type": {"a": 1}, "family": ...}, "expected one of albert"),
        ({"family": "../../etc/passwd", "model_type": "x"}, "got model_type 'x'; expected one of"),
        ({"d_model": ...}, "got no usable 'd_model'; expected a complete configuration; use the config.json that"),
        ({"d_model": "16"}, "d_model"),
        ({"d_model": 16.5}, "d_model"),
        ({"d_model": 8}, "weights: got .*shape"),
        ({"d_model": 32}, "weights: got .* has shape .16., not .32."),
        ({"d_model": -16}, "d_model"),
        ({"d_model": 0}, "d_model"),
        ({"d_model": True}, "d_model"),
        ({"encoder_attention_heads": 3}, "heads: got 3 with d_model 16; expected a divisor of d_model; use [24]"),
        ({"encoder_attention_heads": 0}, "heads: got 0; expected at least 1"),
        ({"encoder_layers": 2}, "weights"),
        ({"encoder_layers": 10**9}, "got 1000000000 layers; expected at most 1000; use the config.json that"),
        ({"d_model": 10**9}, "got d_model = 1000000000; expected at most 16, as the weights beside it have; use the"),
        ({"d_model": 10**9 + 7}, "expected a divisor of d_model; use 1"),
        ({"encoder_ffn_dim": 10**12, "decoder_ffn_dim": 10**12}, "got d_ff = 1000000000000; expected at most"),
        (
            {"encoder_ffn_dim": 64},
            "decoder_ffn_dim: got 32; expected 64, as every such model here has it; open a model that",
        ),
        ({"encoder_ffn_dim": 10**18, "decoder_ffn_dim": 10**18}, "got d_ff = 1000000000000000000; expected at most"),
        ({"max_position_embeddings": 10**12}, None),
        ({"encoder_layers": 1.5}, "layers"),
        ({"vocab_size": -1}, "bad_words_ids: got"),
        ({"vocab_size": 10**9}, "bad_words_ids: got"),
        ({"vocab_size": None}, "vocab_size|None"),
        ({"activation_function": "swish2"}, "activation_function: got 'swish2'; expected one of"),
        ({"dropout": 1.5}, "dropout"),
        ({"max_position_embeddings": "many"}, "longest"),
        ({"auto_map": {"AutoModel": "evil.py"}, "__class__": "os.system"}, None),
    ],
    ids=str,
)
def test_a_changed_config_is_refused_before_anything_is_built(run_copy, changes, message):
    change_config(run_copy, **changes)
    if message is None:  # keys that nobody reads change nothing
        load(run_copy)
        return
    with pytest.raises((CheckpointError, SettingError), match=message):
        load(run_copy)


def test_a_tokenizer_of_another_size_is_refused_with_both_numbers(run_copy):
    table = json.loads((run_copy / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = table["model"]["vocab"]
    last = max(vocabulary, key=lambda piece: vocabulary[piece])
    size = vocabulary[last] + 1
    pad = next(token for token in table["added_tokens"] if token["content"] == "<pad>")
    vocabulary["extra"] = pad["id"]
    vocabulary["<pad>"] = pad["id"] = pad["id"] + 1
    (run_copy / "tokenizer.json").write_text(json.dumps(table), encoding="utf-8")
    sizes = f"got tokenizers of {size + 1} and {size + 1} ids with a model of {size} and {size}"
    with pytest.raises(CheckpointError, match=f"{sizes}; expected no more ids than the model has; use files"):
        load(run_copy)


@pytest.mark.parametrize("size", [0, 7, 8, 100, 5000])
def test_weights_cut_short_are_refused(run_copy, size):
    os.truncate(run_copy / "model.safetensors", size)
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors: got .*; expected (one inside it|equal numbers).*; use a whole"
    ):
        load(run_copy)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_file_that_is_missing_is_named(run_copy, name):
    (run_copy / name).unlink()
    with pytest.raises((CheckpointError, RunError), match=name):
        load(run_copy)


def test_a_damaged_recipe_is_refused(run_copy):
    (run_copy / "recipe.toml").write_text("[train\n", encoding="utf-8")
    with pytest.raises(SettingError, match="expected valid TOML; correct that line"):
        load(run_copy)
