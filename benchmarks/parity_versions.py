"""Whether regard reads what other versions of transformers save.

    python benchmarks/parity_versions.py save FOLDER     # in an environment with any transformers, and without regard
    python benchmarks/parity_versions.py read FOLDER     # in one with regard: the largest difference of each family

The first writes a tiny model of every family, with random weights (standard deviation 0.2), and beside it some texts
and what it says of them, in float64. Where a family reads models of several architectures, each is one folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

V = 40
ENCODER = {"hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 24, "num_hidden_layers": 2}
BART = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 4} | {
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 20,
    "max_position_embeddings": 16,
}
T5 = {"d_model": 16, "d_ff": 24, "num_layers": 2, "num_heads": 4, "d_kv": 5, "decoder_start_token_id": 0}
LLAMA = {**ENCODER, "num_key_value_heads": 2, "max_position_embeddings": 32}
# Name of the folder: our family, class of the settings, class of the model, settings.
MODELS = {
    "bert": ("bert", "BertConfig", "BertForMaskedLM", ENCODER),
    "bert-classes": ("bert", "BertConfig", "BertForSequenceClassification", ENCODER | {"num_labels": 3}),
    "roberta": ("roberta", "RobertaConfig", "RobertaForMaskedLM", ENCODER | {"pad_token_id": 1}),
    "albert": ("albert", "AlbertConfig", "AlbertForMaskedLM", ENCODER | {"embedding_size": 6}),
    "gpt2": ("gpt2", "GPT2Config", "GPT2LMHeadModel", {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 16}),
    "llama": ("llama", "LlamaConfig", "LlamaForCausalLM", LLAMA),
    "t5": ("t5", "T5Config", "T5ForConditionalGeneration", T5),
    "t5-1.1": (
        "t5",
        "T5Config",
        "T5ForConditionalGeneration",
        T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    "t5-classes": ("t5", "T5Config", "T5ForSequenceClassification", T5 | {"num_labels": 3}),
    "bart": ("bart", "BartConfig", "BartForConditionalGeneration", BART),
    "bart-classes": ("bart", "BartConfig", "BartForSequenceClassification", BART),
    "mbart": ("mbart", "MBartConfig", "MBartForConditionalGeneration", BART | {"scale_embedding": True}),
    "marian": (
        "marian",
        "MarianConfig",
        "MarianMTModel",
        BART | {"scale_embedding": True, "pad_token_id": V - 1, "decoder_start_token_id": V - 1},
    ),
    "marian-two": (
        "marian",
        "MarianConfig",
        "MarianMTModel",
        BART
        | {"scale_embedding": True, "pad_token_id": V - 1, "decoder_start_token_id": V - 1}
        | {"share_encoder_decoder_embeddings": False, "tie_word_embeddings": False},
    ),
    "pegasus": ("pegasus", "PegasusConfig", "PegasusForConditionalGeneration", BART | {"scale_embedding": True}),
}


def save_all(folder: Path) -> None:
    """A folder for each of ``MODELS``."""
    import transformers

    for number, (name, (_, settings, architecture, facts)) in enumerate(MODELS.items()):
        generator = torch.Generator().manual_seed(number)
        config = getattr(transformers, settings)(vocab_size=V, **facts)
        model = getattr(transformers, architecture)(config)
        if name == "t5-1.1":  # transformers 5 makes a matrix of its own only where a file holds one
            model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
        frozen = {key for key, weight in model.named_parameters() if not weight.requires_grad}
        with torch.no_grad():
            for key, weight in model.state_dict().items():
                if weight.is_floating_point() and key not in frozen:
                    centre = 1.0 if weight.dim() == 1 and key.endswith("weight") else 0.0
                    weight.copy_(centre + 0.2 * torch.randn(weight.shape, generator=generator))
            model = model.double().eval()
            texts = _texts(config, generator)
            given = {"input_ids": texts["source"], "attention_mask": texts["seen"]}
            if config.is_encoder_decoder and "Classification" not in architecture:
                given["decoder_input_ids"] = texts["target"]
            logits = model(**given).logits
        model.save_pretrained(folder / name)
        save_file({**texts, "logits": logits.contiguous()}, folder / name / "answers.st")
    print(f"{len(MODELS)} models by transformers {transformers.__version__} in {folder}")


def _texts(config: object, generator: torch.Generator) -> dict[str, torch.Tensor]:
    source = torch.randint(4, V - 1, (3, 9), generator=generator)
    eos, pad = getattr(config, "eos_token_id", None), getattr(config, "pad_token_id", None)
    source[:, -1] = 3 if eos is None or eos >= V else eos
    if pad is not None:
        source[1, 4], source[1, 5:] = source[1, 8].clone(), pad
    seen = torch.ones_like(source) if pad is None else (source != pad).long()
    return {"source": source, "seen": seen, "target": torch.randint(4, V - 1, (3, 6), generator=generator)}


def read_all(folder: Path) -> None:
    """The largest difference from what each model said of the texts beside it."""
    from regard import families
    from regard.models.public import put_public_weights

    for name, (family_name, *_) in MODELS.items():
        family = families.get(family_name)
        table = json.loads((folder / name / "config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / name / "model.safetensors")
        answers = load_file(folder / name / "answers.st")
        config, vocabulary, head = family.read_public_config(table, tensors.keys())
        model = family.build(config, vocabulary, head).double().eval()
        put_public_weights(model, family.public_form(config, vocabulary, head), tensors)
        with torch.no_grad():
            if head.labels:
                found = model.classify(answers["source"])
            else:
                texts = (answers["source"], answers["target"]) if hasattr(model, "decoder") else (answers["source"],)
                found = model.logits(model(*texts))
        difference = (found - answers["logits"]).abs()[found.isfinite()].max().item()
        print(f"{name:14} {difference:.1e}")


if __name__ == "__main__":
    {"save": save_all, "read": read_all}[sys.argv[1]](Path(sys.argv[2]))
