"""What the tests of encoder–decoder families share: texts, sizes, and how both sides are asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tests.families.parity import both_ways, open_here, perturbed
from torch import Tensor

from regard import families
from regard.decoding.greedy import greedy_search
from regard.decoding.settings import DecodingSettings
from regard.models.vocabulary import Vocabulary

V = 40
# In the keys of BART, which mBART, Marian and Pegasus have too.
SHAPES = [
    {"d_model": 16, "encoder_ffn_dim": 24, "encoder_layers": 2, "encoder_attention_heads": 4}
    | {"decoder_ffn_dim": 24, "decoder_layers": 2, "decoder_attention_heads": 4},
    {"d_model": 30, "encoder_ffn_dim": 50, "encoder_layers": 3, "encoder_attention_heads": 3}
    | {"decoder_ffn_dim": 21, "decoder_layers": 1, "decoder_attention_heads": 5},
    {"d_model": 6, "encoder_ffn_dim": 10, "encoder_layers": 1, "encoder_attention_heads": 1}
    | {"decoder_ffn_dim": 10, "decoder_layers": 2, "decoder_attention_heads": 1},
]


def texts(pad: int, eos: int, rows: int = 4, length: int = 9, *, left: bool = True) -> Tensor:
    """Texts that end in ``eos``; the second is padded to the right, the third to the left."""
    ids = torch.randint(4, V - 1, (rows, length))
    ids[:, -1] = eos
    ids[1, 5:] = pad
    ids[1, 4] = eos
    if left:
        ids[2, :3] = pad
    return ids


def seen(ids: Tensor, pad: int) -> Tensor:
    return (ids != pad).long()


def same_states_and_logits(
    name: str,
    architecture: str,
    config: Any,
    tmp_path: Path,
    *,
    pad: int,
    eos: int,
    tolerance: float = 1e-9,
    never: int | None = None,
    left: bool = True,
) -> torch.nn.Module:
    """Both ways: what the heads of both libraries say of the same texts. Returns our model."""
    source, target = texts(pad, eos, left=left), torch.randint(4, V - 1, (4, 7))
    classifies = "Classification" in architecture

    def ask_theirs(model: Any) -> Tensor:
        with torch.no_grad():
            given = {"input_ids": source, "attention_mask": seen(source, pad)}
            found = model(**given) if classifies else model(**given, decoder_input_ids=target)
        return without(found.logits if "logits" in found else found.last_hidden_state)

    def ask_ours(model: Any) -> Tensor:
        with torch.no_grad():
            if classifies:
                return model.classify(source)
            hidden = model(source, target)
            return without(hidden if model.output is None else model.logits(hidden))

    def without(found: Tensor) -> Tensor:
        return found if never is None else torch.cat((found[..., :never], found[..., never + 1 :]), -1)

    theirs = getattr(transformers, architecture)(config)
    return both_ways(name, theirs, tmp_path, ask_theirs, ask_ours, tolerance)


def outspoken(model: Any) -> Any:
    """The model, made to write unlike things: vectors of one length, a last norm that spreads them, much attention."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "embed_tokens" in name or "shared" in name:
                weight.div_(weight.norm(dim=1, keepdim=True))
            elif ("encoder_attn." in name or "EncDecAttention" in name) and weight.dim() == 2:
                weight.mul_(4.0)
        last = [name for name, _ in model.named_parameters() if "decoder" in name and "layer_norm.weight" in name][-1]
        model.get_parameter(last).normal_(std=2.0)
    return model


def same_greedy_tokens(name: str, theirs: Any, tmp_path: Path, **rules: Any) -> None:
    """Both write the same ids, most of them texts of their own."""
    theirs = outspoken(perturbed(theirs))
    theirs.save_pretrained(tmp_path)
    ours = open_here(tmp_path, families.get(name))[0]
    torch.manual_seed(0)
    most, source = 14, texts(ours.source_pad, ours.eos, rows=24)
    settings = transformers.GenerationConfig(
        decoder_start_token_id=ours.start,
        eos_token_id=ours.eos,
        forced_eos_token_id=ours.eos,
        pad_token_id=ours.pad,
        max_new_tokens=most,
        num_beams=1,
        do_sample=False,
        **rules,
    )
    rows = theirs.generate(source, attention_mask=seen(source, ours.source_pad), generation_config=settings)
    wanted = [tuple(row[: row.index(ours.eos)] if ours.eos in row else row) for row in rows[:, 1:].tolist()]
    found = greedy_search(ours, source, torch.full((24,), most), DecodingSettings(beam=1))
    assert [hypotheses[0].ids for hypotheses in found] == wanted
    assert len(set(wanted)) > 12, f"{len(set(wanted))} texts: {wanted[:3]}"


def count(name: str, size: str, vocabulary: Vocabulary) -> int:
    """The trained numbers of a size."""
    family = families.get(name)
    with torch.device("meta"):
        model = family.build(family.SIZES[size], vocabulary)
    return sum(weight.numel() for weight in model.parameters())


def config_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text())
