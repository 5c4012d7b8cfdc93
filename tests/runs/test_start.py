"""Beginning with the weights of a run or of a public checkpoint: what is kept, what is new, what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.runs.test_tasks import LEARNT

from regard.config import merge, parse_overrides
from regard.data.tokenizers.layout import LAYOUTS
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.errors import CheckpointError, RunError, SettingError
from regard.models.state import weights_of
from regard.runs.folder import load, read_recipe
from regard.runs.start import Side

STILL = ("train.learning_rate=0", "train.steps=1", "train.save_every=1")  # what was begun with is what is kept
FINE = "init.checkpoint={}"


@pytest.fixture(scope="module")
def pretrained(given, tmp_path_factory) -> Callable[[str], Path]:
    """A run of two blocks that learnt a family's first task, made when it is first asked for."""
    from regard.runs.train import train

    home = tmp_path_factory.mktemp("pretrained")
    data = {"transformer": "pairs", "bert": "texts", "gpt2": "texts", "t5": "texts"}

    class Nobody:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *arguments: None

    def make(family: str) -> Path:
        if not (home / family).exists():
            table = given(data[family], f"family={family}", "model.layers=2", "train.steps=2")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("regard.runs.finish.write_report", lambda *arguments, **options: None)
                train(table, home / family, Nobody(), resume=False, overwrite=False)
        return home / family

    return make


def begun(given, name: str, checkpoint: Path, *more: str) -> dict[str, Any]:
    """A table that begins with a checkpoint; the sizes are the checkpoint's."""
    table = given(name, FINE.format(json.dumps(str(checkpoint))))
    del table["model"]
    return merge(table, parse_overrides(more))


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor], but: tuple[str, ...] = ()) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one.keys() & two.keys() if not name.startswith(but))


# From a run ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "data", "more", "new"),
    [
        ("transformer", "pairs", (), ()),
        ("bert", "texts", (), ()),
        ("bert", "labelled", (), ("head.",)),
        ("bert", "words", ("task.kind=token_classification",), ("head.",)),
        ("bert", "pairs", ("task.kind=embedding",), ("head.",)),
        ("gpt2", "texts", (), ()),
        ("gpt2", "labelled", (), ("head.",)),
        ("t5", "pairs", ("task.kind=translation",), ()),
        ("t5", "labelled", (), ("head.",)),
    ],
)
def test_everything_but_a_new_head_is_the_checkpoints(given, trained, pretrained, tmp_path, family, data, more, new):
    base = load(pretrained(family))
    trained(tmp_path / "run", begun(given, data, pretrained(family), *STILL, *more))
    found = load(tmp_path / "run")
    before, after = weights_of(base.module), weights_of(found.module)
    assert {name for name in after if name not in before} == {name for name in after if name.startswith(new or "-")}
    assert before.keys() & after.keys() >= {name for name in before if ".blocks." in name and name in after}
    assert len(before.keys() & after.keys()) > 10
    assert same(before, after)
    assert (found.family, found.config) == (family, base.config)
    text = "The dog sees a cat, and it runs."
    assert found.source_tokenizer.encode(text) == base.source_tokenizer.encode(text)


def test_a_head_of_the_same_classes_goes_on_and_one_of_others_is_new(given, trained, pretrained, tmp_path, tables):
    trained(tmp_path / "first", begun(given, "labelled", pretrained("bert"), *STILL))
    first = weights_of(load(tmp_path / "first").module)
    trained(tmp_path / "same", begun(given, "labelled", tmp_path / "first", *STILL))
    assert same(first, weights_of(load(tmp_path / "same").module))
    other = (tables / "labelled.tsv").read_text(encoding="utf-8").replace("\tmany\n", "\tlots\n")
    (tmp_path / "other.tsv").write_text(other, encoding="utf-8")
    table = begun(given, "labelled", tmp_path / "first", *STILL, "train.seed=2")
    table["data"]["text"] = str(tmp_path / "other.tsv")
    trained(tmp_path / "others", table)
    found = weights_of(load(tmp_path / "others").module)
    assert same(first, found, but=("head.output.",))
    assert not torch.equal(first["head.output.weight"], found["head.output.weight"])
    assert load(tmp_path / "others").head.labels == ("few", "lots")


@pytest.mark.parametrize("name", ["detection", "image_classification", "captioning"])
def test_pictures_are_prepared_as_for_the_checkpoint(given, trained, tmp_path, name):
    """Also where its config.json does not say how large they are."""
    longest = ["model.longest_side=50"] if name == "detection" else []
    images = ["images.mean=[0.4,0.5,0.6]", "images.deviation=[0.2,0.3,0.2]", "images.fit=stretch", *longest]
    trained(tmp_path / "first", given(*LEARNT[name], *images, "train.steps=1"))
    before = load(tmp_path / "first")
    table = begun(given, LEARNT[name][0], tmp_path / "first", *STILL, "images.batch=8")
    trained(tmp_path / "run", table)
    after, recipe = load(tmp_path / "run"), read_recipe(tmp_path / "run")
    assert after.preparation == before.preparation
    assert recipe.images.mean == (0.4, 0.5, 0.6)
    assert recipe.model.image_size == before.preparation.size
    learnt, found = (dict(model.module.named_parameters()) for model in (before, after))
    assert same(learnt, found)


def test_two_vocabularies_stay_two(given, trained, tmp_path):
    trained(tmp_path / "base", given("pairs", "tokenizer.joint=false", "train.steps=1"))
    trained(tmp_path / "run", begun(given, "pairs", tmp_path / "base", *STILL, 'init.new_tokens=["zyx"]'))
    base, found = load(tmp_path / "base"), load(tmp_path / "run")
    for one, two in (
        (base.source_tokenizer, found.source_tokenizer),
        (base.target_tokenizer, found.target_tokenizer),
    ):
        assert two.size == one.size + 1
        assert two.encode("Ein Hund sees it") == one.encode("Ein Hund sees it")
    before, after = weights_of(base.module), weights_of(found.module)
    for side in ("encoder", "decoder"):
        name = f"{side}.embed.tokens.weight"
        assert torch.equal(after[name][:-2], before[name][:-1])
        assert torch.equal(after[name][-1], before[name][-1])  # <pad>


# From a public checkpoint --------------------------------------------------------------------------------------------


def word_pieces(folder: Path, lines: list[str]) -> Any:
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    library = BertWordPieceTokenizer()
    library.train_from_iterator(lines, vocab_size=300)
    folder.mkdir()
    library.save_model(str(folder))
    return BertTokenizerFast(vocab=str(folder / "vocab.txt"))


def byte_level(folder: Path, lines: list[str]) -> Any:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2TokenizerFast

    library = ByteLevelBPETokenizer()
    library.train_from_iterator(lines, vocab_size=400, special_tokens=["<|endoftext|>"])
    folder.mkdir()
    library.save_model(str(folder))
    return GPT2TokenizerFast(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"))


def bert(size: int) -> Any:
    from transformers import BertConfig, BertForMaskedLM

    widths = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_hidden_layers": 2}
    return BertForMaskedLM(BertConfig(vocab_size=size, max_position_embeddings=64, **widths))


def gpt2(size: int) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(vocab_size=size + 3, n_embd=16, n_head=2, n_layer=2, n_positions=64))


def sentence_pieces(folder: Path, lines: list[str]) -> Any:
    from transformers import PreTrainedTokenizerFast

    ours = train_tokenizer(lines, TokenizerSettings(size=500), LAYOUTS["t5"])
    ours.save(folder.with_suffix(".json"))
    roles = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_file=str(folder.with_suffix(".json")), **roles)


def t5(size: int) -> Any:
    from transformers import T5Config, T5ForConditionalGeneration

    widths = {"d_model": 16, "d_ff": 24, "d_kv": 8, "num_heads": 2, "num_layers": 2, "decoder_start_token_id": 0}
    return T5ForConditionalGeneration(T5Config(vocab_size=size + 3, **widths))


PUBLIC: dict[str, tuple[Callable[..., Any], Callable[..., Any], str, str]] = {
    "bert": (word_pieces, bert, "texts", "labelled"),
    "gpt2": (byte_level, gpt2, "texts", "labelled"),
    "t5": (sentence_pieces, t5, "pairs", "labelled"),
}


@pytest.fixture(scope="module", params=PUBLIC)
def public(request, tables, tmp_path_factory) -> tuple[str, Path]:
    """A family, and a folder that ``transformers`` saved, with its own tokenizer's files."""
    pytest.importorskip("transformers")
    tokenizer_of, model_of, *_ = PUBLIC[request.param]
    home = tmp_path_factory.mktemp("public")
    lines = (tables / "texts").read_text(encoding="utf-8").splitlines()
    tokenizer = tokenizer_of(home / "files", lines)
    torch.manual_seed(5)
    model = model_of(len(tokenizer))
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.2)
    model.save_pretrained(home / "model")
    tokenizer.save_pretrained(home / "model")
    return request.param, home / "model"


@pytest.mark.parametrize("task", [2, 3], ids=["same task", "classes"])
def test_a_public_checkpoint_is_begun_with_tensor_by_tensor(public, given, trained, tmp_path, task):
    from safetensors.torch import load_file

    family, folder = public
    data = PUBLIC[family][task]
    trained(tmp_path / "run", begun(given, data, folder, *STILL))
    theirs, ours = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "run"))
    new = ("classifier", "score", "bert.pooler", "cls.", "lm_head", "classification_head") if data == "labelled" else ()
    theirs, ours = (  # T5's, with classes, stand under one more name
        {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()} for tensors in (theirs, ours)
    )
    assert {name for name in theirs.keys() ^ ours.keys() if not name.startswith(new)} == set()
    assert same(theirs, ours)
    assert load(tmp_path / "run").source_tokenizer.size == load(folder).source_tokenizer.size


def test_new_words_come_behind_the_old_ones_of_a_public_checkpoint(public, given, trained, tmp_path):
    """Two of them have three rows to spare, which new words take first. Old ids keep their logits."""
    family, folder = public
    words = [f"zyx{n}" for n in range(5)]
    trained(tmp_path / "run", begun(given, PUBLIC[family][2], folder, *STILL, f"init.new_tokens={json.dumps(words)}"))
    base, found = load(folder), load(tmp_path / "run")
    known = base.source_tokenizer.size
    assert found.source_tokenizer.size == known + 5
    assert found.module.ids.source == known + 5
    for word in words:
        (index,) = [id for id in found.source_tokenizer.encode(word) if id >= known]
        assert known <= index < known + 5
    text = "the dog sees a cat"
    ids = base.source_tokenizer.encode(text)
    assert found.source_tokenizer.encode(text) == ids
    given_ids = (torch.tensor([ids]),) * (2 if family == "t5" else 1)
    logits = [model.module.logits(model.module(*given_ids))[..., :known] for model in (base, found)]
    torch.testing.assert_close(logits[0], logits[1], rtol=1e-5, atol=1e-5)
    name = next(name for name in weights_of(base.module) if name.endswith("embed.tokens.weight"))
    before, after = weights_of(base.module)[name], weights_of(found.module)[name]
    assert torch.equal(before[:known], after[:known])
    ordinary = [n for n in range(known) if n not in base.source_tokenizer.specials]
    torch.testing.assert_close(after[known:], before[ordinary].mean(0).expand(5, -1), rtol=1e-5, atol=1e-6)


def test_new_words_of_our_own_layout_stand_before_the_padding_which_moves(given, trained, pretrained, tmp_path):
    base = load(pretrained("transformer"))
    table = begun(given, "pairs", pretrained("transformer"), *STILL, 'init.new_tokens=["zyx", "xyz"]')
    trained(tmp_path / "run", table)
    found, known = load(tmp_path / "run"), base.source_tokenizer.size - 1
    assert found.module.ids.pad == found.module.ids.never == found.module.ids.start == known + 2
    before, after = (weights_of(model.module)["encoder.embed.tokens.weight"] for model in (base, found))
    assert torch.equal(after[:known], before[:known])
    assert torch.equal(after[known + 2], before[known])
    assert not torch.equal(after[known], before[known])
    source = torch.tensor([[*base.source_tokenizer.encode("The dog sees it."), 0]])
    logits = []
    for model in (base, found):
        start = torch.tensor([[model.module.ids.start, 5, 7]])
        logits.append(model.module.logits(model.module(source, start))[..., :known])
    torch.testing.assert_close(logits[0], logits[1], rtol=1e-5, atol=1e-5)


def test_rows_move_with_their_ids():
    """By hand: four ids, of which the last moves by one for a word, and 0 is special; a spare row is taken first."""

    class Sized:
        size = 5

    old = torch.tensor([[9.0], [1.0], [3.0], [7.0]])
    moved = Side(Sized(), np.array([0, 1, 2, 4]), np.array([1, 2]))  # type: ignore[arg-type]
    assert moved.rows(old, 5).flatten().tolist() == [9.0, 1.0, 3.0, 2.0, 7.0]
    assert (moved.new_id(3), moved.new_id(None), moved.new_id(-1), moved.size(4), moved.size(6)) == (4, None, -1, 5, 6)


# What is refused, with nothing written -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("family=gpt2",), "family: got gpt2; expected bert, as the checkpoint has it; leave family out, or write"),
        (("model.d_model=32",), "--init: got .* has shape .*; expected a model of the same sizes; leave model"),
        (("model.layers=3",), r"--init: got .*blocks\.2\..* is missing; expected a model of the same"),
        (("model.size=base",), "model.size: got 'base'; expected the sizes of the checkpoint to begin with; leave it"),
        (("init.freeze=['encoderr']",), "init.freeze: got encoderr; expected the beginning of a weight's name; use"),
        (("init.freeze=['']",), "init.freeze: got every weight; expected some that learn; freeze fewer"),
        (
            ("init.lora_rank=2", "init.lora_targets=['quarry']"),
            "init.lora_targets: got quarry; expected names of linear",
        ),
        (("init.new_tokens=['[MASK]']",), r"tokens: got '\[MASK\]'; expected a word that is no special token"),
        (("task.kind=translation",), "task.kind: got translation with family bert"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named_and_nothing_is_written(given, trained, pretrained, tmp_path, more, message):
    with pytest.raises(SettingError, match=message):
        trained(tmp_path / "new" / "run", begun(given, "texts", pretrained("bert"), *more))
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_missing_or_nowhere_are_named(given, trained, pretrained, tmp_path):
    copy = Path(shutil.copytree(pretrained("bert"), tmp_path / "copy"))
    (copy / "model.safetensors").unlink()
    for checkpoint, error in ((copy, (RunError, CheckpointError)), (tmp_path / "nowhere", RunError)):
        with pytest.raises(error, match=checkpoint.name):
            trained(tmp_path / "run", begun(given, "texts", checkpoint))
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


# Going on ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("init.lora_rank=2",), ('init.new_tokens=["zyx"]',)], ids=str)
def test_it_goes_on_to_the_same_bytes_when_what_it_began_with_is_gone(given, trained, pretrained, tmp_path, more):
    base = Path(shutil.copytree(pretrained("bert"), tmp_path / "base"))
    trained(tmp_path / "straight", begun(given, "labelled", base, *more))
    trained(tmp_path / "stopped", begun(given, "labelled", base, *more), 1)
    shutil.rmtree(base)
    trained(tmp_path / "stopped", None, 4)
    assert trained(tmp_path / "stopped").finished is not None
    straight, stopped = ((tmp_path / run / "model.safetensors").read_bytes() for run in ("straight", "stopped"))
    assert straight == stopped


def test_without_any_checkpoint_the_weights_to_begin_with_are_missed(given, trained, pretrained, tmp_path):
    trained(tmp_path / "run", begun(given, "labelled", pretrained("bert")), 1)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(CheckpointError, match="no whole one, so that the weights to begin with are gone; expected"):
        trained(tmp_path / "run")


def test_the_checkpoint_of_step_0_is_no_part_of_a_mean(given, trained, pretrained, tmp_path):
    from safetensors.torch import load_file

    table = begun(given, "labelled", pretrained("bert"), "train.average=last", "train.average_count=5")
    done = trained(tmp_path / "run", table).finished
    assert done is not None
    assert done.averaged == (3, 6)
    name = "encoder.blocks.0.feed_forward.inner.weight"
    mean = sum(
        load_file(tmp_path / "run" / "checkpoints" / f"step-{step}" / "trainer.safetensors")[f"weights/{name}"].double()
        for step in (3, 6)
    )
    torch.testing.assert_close(weights_of(load(tmp_path / "run").module)[name].double(), mean / 2, rtol=1e-6, atol=1e-8)


def test_weights_that_have_learnt_go_on_at_a_tenth_of_the_rate(given, trained, pretrained, tmp_path):
    def rate_of(name: str, table: dict[str, Any]) -> float:
        del table["train"]["learning_rate"]
        trained(tmp_path / name, table)
        return float(read_recipe(tmp_path / name).train.learning_rate or 0)

    fresh = rate_of("fresh", given("texts", "family=bert"))
    assert rate_of("fine", begun(given, "texts", pretrained("bert"))) == pytest.approx(fresh / 10)
    assert rate_of("lora", begun(given, "texts", pretrained("bert"), "init.lora_rank=2")) == pytest.approx(fresh)


# Parts of a model ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("average", ["none", "last", "running"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_is_frozen_stays_to_the_bit_and_the_rest_moves(given, trained, pretrained, tmp_path, precision, average):
    frozen = ("encoder.embed", "encoder.blocks.0.")
    more = [f"init.freeze={json.dumps(frozen)}", f"train.precision={precision}", f"train.average={average}"]
    trained(tmp_path / "run", begun(given, "texts", pretrained("bert"), *more))
    before, after = (weights_of(load(folder).module) for folder in (pretrained("bert"), tmp_path / "run"))
    assert before.keys() == after.keys()
    for name in before:
        assert torch.equal(before[name], after[name]) == name.startswith(frozen), name


def test_of_low_rank_changes_only_these_and_the_new_head_move(given, trained, pretrained, tmp_path):
    from safetensors.torch import load_file

    table = begun(given, "labelled", pretrained("bert"), "init.lora_rank=2", "init.lora_alpha=4")
    trained(tmp_path / "run", table)
    states = [load_file(tmp_path / "run" / "checkpoints" / f"step-{step}" / "trainer.safetensors") for step in (0, 6)]
    moved = {
        name.removeprefix("weights/")
        for name in states[0]
        if name.startswith("weights/") and not torch.equal(states[0][name], states[1][name])
    }
    blocks = [f"encoder.blocks.{n}.self_attention.{target}" for n in (0, 1) for target in ("query", "value")]
    changes = {f"{name}.{part}" for name in blocks for part in ("down", "up")}
    head = {f"head.{part}.{kind}" for part in ("dense", "output") for kind in ("weight", "bias")}
    assert moved == changes | head
    adapter = load_file(tmp_path / "run" / "adapter.safetensors")
    assert adapter.keys() == changes | head
    assert all(torch.equal(adapter[name], states[1][f"weights/{name}"]) for name in adapter)


def test_an_adapter_with_its_model_is_the_run(given, trained, pretrained, tmp_path):
    from regard import load as public_load

    table = begun(given, "labelled", pretrained("bert"), "init.lora_rank=2")
    trained(tmp_path / "run", table)
    run = public_load(tmp_path / "run")
    both = public_load(pretrained("bert"), adapter=tmp_path / "run" / "adapter.safetensors")
    assert both.head == run.head
    one, two = weights_of(run.module), weights_of(both.module)
    assert one.keys() == two.keys()
    assert same(one, two)
    texts = ["the dog sees a cat", "it"]
    assert both.classify(texts) == run.classify(texts)
    base = (pretrained("bert") / "model.safetensors").stat().st_size
    assert (tmp_path / "run" / "adapter.safetensors").stat().st_size < base / 2


def test_a_merged_run_opens_in_transformers_with_the_same_logits(given, trained, pretrained, tmp_path):
    transformers = pytest.importorskip("transformers")
    trained(tmp_path / "run", begun(given, "labelled", pretrained("bert"), "init.lora_rank=2"))
    theirs, told = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "run", output_loading_info=True
    )
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    run = load(tmp_path / "run")
    ids = torch.tensor([run.source_tokenizer.wrap(run.source_tokenizer.encode("the dog sees it")).ids])
    with torch.no_grad():
        torch.testing.assert_close(theirs.eval()(ids).logits, run.module.classify(ids), rtol=1e-5, atol=1e-5)


def test_what_is_no_adapter_is_refused(pretrained, tmp_path, given, trained):
    for name, content in (("text", b"nothing"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
    for path in (tmp_path / "text", tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(CheckpointError, match="expected low-rank changes that regard trained; name the adapter"):
            load(pretrained("bert"), adapter=path)
    with pytest.raises(CheckpointError, match=r"no adapter \('head'\)"):
        load(pretrained("bert"), adapter=pretrained("bert") / "model.safetensors")
