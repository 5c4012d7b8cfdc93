"""Tiny public checkpoints as the hub has them: old pickles, shards, tokenizers in their older files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "A dog runs in the park, and a cat sleeps.",
    "Über große Straßen",
]
WORD_PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz.,", "the", "dog", "##s"]
WORD_PIECES += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz" if letter != "s"]
SPARE = 4  # rows of the embedding that no token has


def perturbed(model: Any) -> Any:
    """Weights that make every part matter."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    model.tie_weights()
    return model.eval()


def bert(folder: Path, *, old_names: bool = False, head: str = "BertForMaskedLM") -> Path:
    """BERT as of 2018: one pickle, vocab.txt, and the numbers of the positions; with gamma and beta if wanted."""
    folder.mkdir(parents=True)
    config = transformers.BertConfig(
        vocab_size=len(WORD_PIECES) + SPARE,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        architectures=[head],
    )
    model = perturbed(getattr(transformers, head)(config))
    weights = dict(model.state_dict())
    if head == "BertForMaskedLM":
        weights["bert.embeddings.position_ids"] = torch.arange(32)[None]
    if old_names:
        pairs = ("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")
        for new, old in pairs:
            weights = {name.replace(new, old): weight for name, weight in weights.items()}
    torch.save(weights, folder / "pytorch_model.bin")
    config.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORD_PIECES) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    return folder


def gpt2(folder: Path, *, buffers: bool = False) -> Path:
    """GPT-2 in shards, with vocab.json and merges.txt."""
    folder.mkdir(parents=True)
    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    library.train_from_iterator(TEXTS * 5, trainer)
    table = json.loads(library.to_str())["model"]
    pieces = {**table["vocab"], "<|endoftext|>": len(table["vocab"])}
    (folder / "vocab.json").write_text(json.dumps(pieces), encoding="utf-8")
    merges = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in table["merges"])])
    (folder / "merges.txt").write_text(merges + "\n", encoding="utf-8")
    ids = {"bos_token_id": len(pieces) - 1, "eos_token_id": len(pieces) - 1}
    config = transformers.GPT2Config(vocab_size=len(pieces), n_embd=16, n_layer=2, n_head=2, n_positions=48, **ids)
    model = perturbed(transformers.GPT2LMHeadModel(config))
    if not buffers:
        model.save_pretrained(folder, max_shard_size="20KB")
        return folder
    weights = dict(model.transformer.state_dict())
    weights["h.0.attn.bias"] = torch.ones(1, 1, 48, 48)
    weights["h.0.attn.masked_bias"] = torch.tensor(-1e4)
    config.architectures = ["GPT2LMHeadModel"]
    config.save_pretrained(folder)
    torch.save(weights, folder / "pytorch_model.bin")
    return folder


def t5(folder: Path, *, separate: bool = False, half: bool = False, cross_bias: bool = False) -> Path:
    """T5 with a sentencepiece model; with an output layer of its own, as transformers 5 writes it, if wanted."""
    import sentencepiece

    folder.mkdir(parents=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20),
        model_prefix=str(folder / "spiece"),
        vocab_size=40,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    (folder / "spiece.vocab").unlink()
    (folder / "tokenizer_config.json").write_text('{"extra_ids": 0, "tokenizer_class": "T5Tokenizer"}')
    config = transformers.T5Config(
        vocab_size=64,
        d_model=16,
        d_kv=8,
        d_ff=24,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
        feed_forward_proj="gated-gelu" if separate else "relu",
        tie_word_embeddings=not separate,
    )
    model = perturbed(transformers.T5ForConditionalGeneration(config))
    (model.half() if half else model).save_pretrained(folder)
    table = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if separate:
        table |= {"tie_word_embeddings": True, "scale_decoder_outputs": False}
        (folder / "config.json").write_text(json.dumps(table))
    weights = load_file(folder / "model.safetensors")
    if separate:
        weights["lm_head.weight"] = torch.randn_like(weights["shared.weight"])
    if cross_bias:
        weights["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = torch.zeros(
            32, 2, dtype=model.dtype
        )
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def marian(folder: Path) -> Path:
    """Marian with source.spm, target.spm and one vocab.json."""
    import sentencepiece

    folder.mkdir(parents=True)
    names = []
    for side, lines in (("source", TEXTS), ("target", [text.upper() for text in TEXTS])):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines * 20), model_prefix=str(folder / side), vocab_size=38, minloglevel=2
        )
        (folder / f"{side}.vocab").unlink()
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{side}.spm"))
        names += [model.id_to_piece(index) for index in range(3, model.get_piece_size())]
    tokens = ["</s>", "<unk>", *dict.fromkeys(names), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: index for index, name in enumerate(tokens)}))
    pad = len(tokens) - 1
    config = transformers.MarianConfig(
        vocab_size=len(tokens),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        pad_token_id=pad,
        eos_token_id=0,
        decoder_start_token_id=pad,
        forced_eos_token_id=0,
        max_position_embeddings=64,
    )
    perturbed(transformers.MarianMTModel(config)).save_pretrained(folder)
    return folder


def roberta(folder: Path) -> Path:
    """RoBERTa with vocab.json and merges.txt."""
    gpt2(folder)
    for path in folder.glob("model*"):
        path.unlink()
    table = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    del table["<|endoftext|>"]
    names = ["<s>", "<pad>", "</s>", "<unk>", *sorted(table, key=table.__getitem__), "<mask>"]
    (folder / "vocab.json").write_text(json.dumps({name: index for index, name in enumerate(names)}), encoding="utf-8")
    config = transformers.RobertaConfig(
        vocab_size=len(names),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=34,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    perturbed(transformers.RobertaForMaskedLM(config)).save_pretrained(folder)
    return folder
