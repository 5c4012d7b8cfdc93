"""What in a checkpoint's files is known to mislead: each finding is a sentence for the reader.

Found by the names and shapes of tensors and by the keys of ``config.json``, whichever family they belong to. Sources:
transformers 4.57 and 5.x, and files on the public hub.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from regard.runs.folder import RECIPE, Plan

Trap = Callable[[Plan], str | None]
OLD_NORM = re.compile(r".*\.(gamma|beta)")
MASK_BUFFER = re.compile(r"(transformer\.)?h\.\d+\.attn\.(bias|masked_bias)")
CROSS_BIAS = re.compile(r".*EncDecAttention\.relative_attention_bias\.weight")
POSITION_IDS = re.compile(r".*\bposition_ids")
OF_2020 = ("add_final_layer_norm", "normalize_before", "normalize_embedding", "static_position_embeddings")
COUNTS_FROM_PADDING = {"roberta", "xlm-roberta", "camembert"}  # model types
HALVES = {"float16", "bfloat16"}


def traps_in(plan: Plan) -> tuple[str, ...]:
    """Every trap that is in the folder."""
    return tuple(found for trap in TRAPS if (found := trap(plan)) is not None)


def _named(plan: Plan, pattern: re.Pattern[str]) -> list[str]:
    return [name for name in plan.stored if pattern.fullmatch(name)]


def _counted(names: Iterable[str]) -> str:
    names = list(names)
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def said_tied(plan: Plan) -> str | None:
    """T5 v1.1 as transformers 5 writes it."""
    says = plan.table.get("tie_word_embeddings")
    if not says or "lm_head.weight" not in plan.stored or "shared.weight" not in plan.stored:
        return None
    return (
        "config.json says tie_word_embeddings: true, but lm_head.weight is a matrix of its own (transformers 5 writes "
        "so for T5 v1.1): here it is read as the output layer, transformers 4 would leave it out and answer nonsense."
    )


def old_norms(plan: Plan) -> str | None:
    """BERT's files of 2018."""
    if not (found := _named(plan, OLD_NORM)):
        return None
    return f"{_counted(found)}: gamma and beta are the old names of a norm's weight and bias, and are read as these."


def mask_buffers(plan: Plan) -> str | None:
    """GPT-2's causal mask, saved with the weights."""
    found = [name for name in _named(plan, MASK_BUFFER) if len(plan.stored[name][1]) in (0, 4)]
    return f"{_counted(found)}: a causal mask, no weight, and left out." if found else None


def cross_bias(plan: Plan) -> str | None:
    """Old T5."""
    if not (found := _named(plan, CROSS_BIAS)):
        return None
    return (
        f"{_counted(found)}: attention to the source has no relative bias; the tensor was never used and is left out."
    )


def position_ids(plan: Plan) -> str | None:
    """Numbers 0, 1, 2 … that older versions saved."""
    found = _named(plan, POSITION_IDS)
    return f"{_counted(found)}: only the numbers 0, 1, 2 …, and left out." if found else None


def pickled(plan: Plan) -> str | None:
    """No safetensors."""
    if any(plan.folder.glob("*.safetensors")):
        return None
    return (
        "The weights come as a pickle (.bin) only, which other programs may have to run to read it. Here it is read "
        "without; `regard export --to huggingface` makes a safetensors of it."
    )


def positions_after_padding(plan: Plan) -> str | None:
    """RoBERTa counts positions from the id of padding."""
    rows, pad = plan.table.get("max_position_embeddings"), plan.table.get("pad_token_id", 1)
    if plan.table.get("model_type") not in COUNTS_FROM_PADDING or not isinstance(rows, int):
        return None
    return (
        f"Positions are counted from pad_token_id + 1 = {pad + 1} and leave padding out: max_position_embeddings "
        f"{rows} means at most {rows - pad - 1} tokens, and padding on the left must not move them."
    )


def start_is_padding(plan: Plan) -> str | None:
    """Marian and those like it: the last row is zero and must never be written."""
    start, ids = plan.vocabulary.start, plan.vocabulary
    if start is None or start != ids.pad or ids.never != ids.pad:
        return None
    return (
        f"Decoding begins with <pad> (id {start}), whose row of the embedding is zero; whoever decodes must never let "
        "it be written (bad_words_ids)."
    )


def rows_without_token(plan: Plan) -> str | None:
    """A vocabulary rounded up."""
    size = plan.tokenizers[1].size if plan.tokenizers else 0
    spare = plan.vocabulary.target - size
    if spare <= 0:
        return None
    rows = f"{spare} rows" if spare > 1 else "One row"
    return (
        f"{rows} of the embedding ({plan.vocabulary.target}) belong to no token of the tokenizer ({size}): "
        "what the model writes there has no text."
    )


def halves(plan: Plan) -> str | None:
    """Sixteen bits."""
    kinds = sorted(HALVES & {dtype for dtype, _ in plan.stored.values()})
    if not kinds:
        return None
    return f"The weights are {' and '.join(kinds)}: they are turned into float32, twice the memory of the file."


def dtype_key(plan: Plan) -> str | None:
    """The key that transformers renamed, where it says something else than the files do."""
    key = next((key for key in ("dtype", "torch_dtype") if plan.table.get(key)), None)
    said = str(plan.table[key]).removeprefix("torch.") if key else None
    kinds = {dtype for dtype, shape in plan.stored.values() if dtype.startswith(("float", "bfloat"))}
    if key is None or kinds <= {said}:
        return None
    return f"config.json says {key}: {said}, but the files hold {', '.join(sorted(kinds))}: the files count."


def keys_of_2020(plan: Plan) -> str | None:
    """Settings that the class has fixed since."""
    found = [key for key in OF_2020 if key in plan.table]
    if not found or (plan.folder / RECIPE).exists():  # ours has some for CTranslate2, and they are true
        return None
    return f"{', '.join(found)} in config.json: transformers ignores such keys and goes by model_type; so do we."


def gated_gelu(plan: Plan) -> str | None:
    """A name with two meanings."""
    if plan.table.get("feed_forward_proj") != "gated-gelu":
        return None
    return "feed_forward_proj: gated-gelu means the tanh approximation of GELU here, not the exact one."


def converted_tokenizer(plan: Plan) -> str | None:
    """Other files than tokenizer.json."""
    if (plan.folder / "tokenizer.json").exists():
        return None
    return "There is no tokenizer.json: the tokenizer is made from the older files beside the weights."


def code_beside(plan: Plan) -> str | None:
    """A model that brings programs along."""
    found: Any = plan.table.get("auto_map")
    return "config.json names code of the model's own (auto_map): it is never run." if found else None


TRAPS: tuple[Trap, ...] = (
    *(said_tied, old_norms, mask_buffers, cross_bias, position_ids, pickled, positions_after_padding),
    *(start_is_padding, rows_without_token, halves, dtype_key, keys_of_2020, gated_gelu),
    *(converted_tokenizer, code_beside),
)
