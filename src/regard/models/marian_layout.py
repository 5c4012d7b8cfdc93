"""How an encoder–decoder's weights are called in the checkpoints of Marian and Pegasus that we write."""

from __future__ import annotations

from torch import Tensor

from regard.models.vocabulary import Vocabulary
from regard.models.weight_names import PublicForm, Tensors, stack_names

_NAMES = [("encoder.embed.tokens", "shared"), *stack_names("encoder"), *stack_names("decoder")]
_OUTPUT = [("output.bias", "final_logits_bias")]

# Their output layer has no place for "never"; a bias of this size says it in every float type.
NEVER = -1e9


def marian_form(vocabulary: Vocabulary, table: Tensor | None = None) -> PublicForm:
    """Public names, and a bias of the logits that keeps padding from being predicted.

    ``table``: the sinusoids, where the files hold them (Pegasus' do, Marian's do not).
    """

    def outward(tensors: Tensors) -> Tensors:
        bias = tensors["final_logits_bias"].clone()
        bias[vocabulary.pad] = NEVER
        tensors = {**tensors, "final_logits_bias": bias[None]}
        if table is not None:
            tensors |= {f"{stack}.embed_positions.weight": table.clone() for stack in ("encoder", "decoder")}
        return tensors

    def inward(tensors: Tensors) -> Tensors:
        if "final_logits_bias" not in tensors:
            return tensors
        bias = tensors["final_logits_bias"].flatten().clone()
        bias[vocabulary.target - 1 :] = 0.0
        return {**tensors, "final_logits_bias": bias}

    tables = (r"(en|de)coder\.embed_positions\.weight",)
    return PublicForm(_NAMES, _OUTPUT, "model.", tables, outward, inward)
