"""What is fuzzed: whole small files of every kind that regard reads, and how each is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fuzz_mutations as mutations
import torch
from fuzz_mutations import Mutation
from safetensors.torch import load_file, save_file

from regard import families
from regard.data.builtin import sample
from regard.data.tokenizers.layout import LAYOUTS
from regard.data.tokenizers.public_tokenizer import open_tokenizer
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.models.adapters import add_adapters
from regard.models.heads import LANGUAGE
from regard.models.state import weights_of
from regard.runs.checkpoints.adapter import read_adapter, write_adapter
from regard.runs.checkpoints.inspect_checkpoint import inspect_checkpoint
from regard.runs.checkpoints.weight_files import header, read_weights
from regard.runs.folder import load, write_model, write_tokenizers
from regard.runs.journal import read_journal
from regard.runs.recipe import Recipe, TaskSettings
from regard.storage import MANIFEST, whole_folder
from regard.training.checkpoint import kept_weights

TEXTS = [pair.english for pair in sample.splits()["train"][:300]]
TRIED = ["A dog runs.", "", "  Grüße, 안녕 </s> <pad> 😀\u2028 x\n"]


@dataclass(frozen=True)
class Reader:
    """``files`` below a folder, of which one is damaged at a time, and what reads the folder then."""

    folder: Path
    files: dict[str, tuple[Mutation, ...]]
    read: Callable[[Path], object]


def readers(folder: Path) -> dict[str, Reader]:
    """Every reader by its name, with whole files below ``folder``, where they are made unless they are there.

    Those whose files no package here makes are left out.
    """
    found: dict[str, Reader] = {}
    for name in families.names():
        run = _once(folder / "runs" / name, _run, name)
        files = {"config.json": mutations.JSON, "generation_config.json": mutations.JSON, "recipe.toml": mutations.TEXT}
        found[f"config-{name}"] = Reader(run, files, _open)
    run = folder / "runs" / "marian"
    files = {"model.safetensors": mutations.SAFETENSORS}
    found["weights"] = Reader(_once(folder / "weights", _alone, run), files, _weights)
    found["sealed-weights"] = Reader(run, {**files, "manifest.json": mutations.JSON}, _weights)
    found["inspect"] = Reader(run, {"config.json": mutations.JSON, "tokenizer_config.json": mutations.JSON}, _inspect)
    index = {"model.safetensors.index.json": mutations.JSON, "model-00001-of-00002.safetensors": mutations.SAFETENSORS}
    found["index"] = Reader(_once(folder / "index", _sharded, run), index, _weights)
    for name, new in (("pickle", True), ("legacy-pickle", False)):
        files = {"pytorch_model.bin": mutations.PICKLE}
        found[name] = Reader(_once(folder / name, _pickled, run, new), files, _weights)
    for layout in LAYOUTS:
        kinds = {"regard": "bpe", "bert": "wordpiece", "albert": "unigram", "gpt2": "byte", "roberta": "byte"}
        there = _once(folder / "tokenizers" / layout, _tokenizer, kinds.get(layout, "unigram"), layout)
        files = {"tokenizer.json": mutations.JSON, "tokenizer_config.json": mutations.JSON}
        found[f"tokenizer-{layout}"] = Reader(there, files, _cut)
    found["word-pieces"] = Reader(_once(folder / "word-pieces", _word_pieces), {"vocab.txt": mutations.TEXT}, _cut)
    files = {"vocab.json": mutations.JSON, "merges.txt": mutations.TEXT, "added_tokens.json": mutations.JSON}
    found["byte-level"] = Reader(_once(folder / "byte-level", _byte_level), files, _cut)
    found["journal"] = Reader(_once(folder / "journal", _journal), {"metrics.jsonl": mutations.JSON_LINES}, _metrics)
    found["adapter"] = Reader(
        _once(folder / "adapter", _adapter, run), {"adapter.safetensors": mutations.SAFETENSORS}, _change
    )
    files = {
        "trainer.safetensors": mutations.SAFETENSORS,
        "state.json": mutations.JSON,
        "manifest.json": mutations.JSON,
    }
    saved = _once(folder / "checkpoint", _checkpoint)
    found["checkpoint"] = Reader(saved, files, kept_weights)
    found["sealed-checkpoint"] = Reader(saved, {"trainer.safetensors": mutations.SAFETENSORS}, _sealed)
    return {**found, **_sentencepiece(folder)}


# How a folder is read ------------------------------------------------------------------------------------------------


def _open(folder: Path) -> None:
    load(folder)


def _inspect(folder: Path) -> None:
    json.dumps(inspect_checkpoint(folder).to_dict())


def _weights(folder: Path) -> None:
    declared = header(folder)
    for name, tensor in read_weights(folder).items():
        assert list(tensor.shape) == declared[name][1]


def _cut(folder: Path) -> None:
    """Read a tokenizer and do with it all that a model does."""
    for tokenizer in dict.fromkeys(open_tokenizer(folder)):
        for text in TRIED:
            ids = tokenizer.encode(text)
            assert all(0 <= index < tokenizer.size for index in ids)
            tokenizer.decode(tokenizer.wrap(ids, ids).ids)
            tokenizer.encode_marked(text)
            tokenizer.spans(text)
        tokenizer.pieces_of(range(tokenizer.size))
        _ = tokenizer.word_starts, tokenizer.transformers_config()


def _metrics(folder: Path) -> None:
    read_journal(folder / "metrics.jsonl")


def _change(folder: Path) -> None:
    read_adapter(folder / "adapter.safetensors")


def _sealed(folder: Path) -> None:
    """What is damaged on purpose has a manifest that fits."""
    again = folder.with_name("again")
    shutil.rmtree(again, ignore_errors=True)
    with whole_folder(again) as partial:
        for path in folder.iterdir():
            if path.name != MANIFEST:
                shutil.copyfile(path, partial / path.name)
    kept_weights(again)


# Whole files ---------------------------------------------------------------------------------------------------------


def _once(folder: Path, make: Callable[..., None], *arguments: Any) -> Path:
    """The folder, filled by ``make`` where it is not there."""
    if not folder.exists():
        folder.mkdir(parents=True)
        make(folder, *arguments)
    return folder


def _run(folder: Path, name: str) -> None:
    """A run of the family's toy size with fresh weights, as training leaves it."""
    family = families.get(name)
    layout = getattr(family, "LAYOUT", "regard")
    tokenizer = train_tokenizer(TEXTS, TokenizerSettings(kind="word", size=120), LAYOUTS[layout])
    roles = {role: getattr(tokenizer, role) for role in ("eos", "pad", "bos", "sep", "mask")}
    vocabulary = family.vocabulary(tokenizer.size, tokenizer.size, shared=True, roles=roles)
    write_tokenizers(folder, tokenizer, tokenizer)
    recipe = Recipe(name, family.TOY, TaskSettings(kind=family.TASKS[0], block=8))
    write_model(folder, recipe, family.build(family.TOY, vocabulary, LANGUAGE), LANGUAGE)
    (folder / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")


def _alone(folder: Path, run: Path) -> None:
    """No manifest beside them."""
    shutil.copyfile(run / "model.safetensors", folder / "model.safetensors")


def _sharded(folder: Path, run: Path) -> None:
    weights = sorted(load_file(run / "model.safetensors").items())
    places: dict[str, str] = {}
    for number, part in enumerate((weights[::2], weights[1::2]), start=1):
        name = f"model-0000{number}-of-00002.safetensors"
        save_file(dict(part), folder / name)
        places |= {tensor: name for tensor, _ in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def _pickled(folder: Path, run: Path, new: bool) -> None:
    weights = dict(list(load_file(run / "model.safetensors").items())[:12])
    torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=new)


def _tokenizer(folder: Path, kind: str, layout: str) -> None:
    tokenizer = train_tokenizer(TEXTS, TokenizerSettings(kind=kind, size=450), LAYOUTS[layout])
    write_tokenizers(folder, tokenizer, tokenizer)


def _word_pieces(folder: Path) -> None:
    names = train_tokenizer(TEXTS, TokenizerSettings(kind="wordpiece", size=120), LAYOUTS["bert"])
    (folder / "vocab.txt").write_text("".join(f"{name}\n" for name in names.pieces_of(range(names.size))))


def _byte_level(folder: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, TokenizerSettings(kind="byte", size=400), LAYOUTS["gpt2"])
    tokenizer.save(folder / "whole.json")
    model = json.loads((folder / "whole.json").read_text(encoding="utf-8"))["model"]
    (folder / "whole.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    (folder / "merges.txt").write_text("".join(f"{' '.join(pair)}\n" for pair in model["merges"]), encoding="utf-8")
    (folder / "added_tokens.json").write_text(json.dumps({"<new>": tokenizer.size}), encoding="utf-8")


def _journal(folder: Path) -> None:
    lines = [{"step": step, "kind": "train", "loss": 1 / step, "seconds": 0.5 * step} for step in range(1, 30)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _adapter(folder: Path, run: Path) -> None:
    module = load(run).module
    add_adapters(module, 2, 4.0, ("query", "value"), ())
    learning = {name for name, weight in module.named_parameters() if weight.requires_grad}
    write_adapter(folder / "adapter.safetensors", weights_of(module), learning, 2.0, LANGUAGE)


def _checkpoint(folder: Path) -> None:
    """A checkpoint as ``save_checkpoint`` writes it. Its manifest is what stands between damage and the reader."""
    folder.rmdir()
    with whole_folder(folder) as partial:
        save_file({"model.a": torch.ones(3), "model.b": torch.zeros(2, 2)}, partial / "trainer.safetensors")
        (partial / "state.json").write_text(json.dumps({"step": 3, "place": {}, "facts": {}}))


def _sentencepiece(folder: Path) -> dict[str, Reader]:
    if find_spec("sentencepiece") is None:
        return {}
    found: dict[str, Reader] = {}
    for name, kind in (("spiece.model", "unigram"), ("tokenizer.model", "bpe"), ("sentencepiece.bpe.model", "unigram")):
        there = _once(folder / f"sentencepiece-{name}", _piece_model, name, kind)
        files: dict[str, tuple[Mutation, ...]] = {name: mutations.BINARY, "tokenizer_config.json": mutations.JSON}
        found[f"sentencepiece-{kind}-{name.partition('.')[0]}"] = Reader(there, files, _cut)
    marian = _once(folder / "sentencepiece-marian", _marian, there / name)
    files = {"source.spm": mutations.BINARY, "vocab.json": mutations.JSON}
    return {**found, "sentencepiece-marian": Reader(marian, files, _cut)}


def _piece_model(folder: Path, name: str, kind: str) -> None:
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_prefix=str(folder / "made"),
        vocab_size=120,
        model_type=kind,
        normalization_rule_name="nmt_nfkc" if name == "spiece.model" else "identity",  # a large table
        minloglevel=2,
    )
    (folder / "made.vocab").unlink()
    (folder / "made.model").rename(folder / name)
    (folder / "tokenizer_config.json").write_text('{"extra_ids": 3, "keep_accents": false, "tgt_lang": "de_DE"}')


def _marian(folder: Path, made: Path) -> None:
    import sentencepiece

    for side in ("source", "target"):
        shutil.copyfile(made, folder / f"{side}.spm")
    processor = sentencepiece.SentencePieceProcessor(model_file=str(made))
    pieces = [processor.id_to_piece(index) for index in range(3, processor.get_piece_size())]
    table = {name: index for index, name in enumerate(["</s>", "<unk>", *pieces, "<pad>"])}
    (folder / "vocab.json").write_text(json.dumps(table))


def texts() -> dict[str, Callable[[bytes], Any]]:
    """Readers of texts, where their file is there."""
    try:
        import fuzz_text
    except ImportError:
        return {}
    return {
        "corpus": fuzz_text.fuzz_corpus,
        "recipe": lambda data: fuzz_text.fuzz_recipe(data.decode("utf-8", "surrogateescape")),
        "round-trip": lambda data: fuzz_text.fuzz_tokenizer(data[:10_000].decode("utf-8", "replace")),
    }
