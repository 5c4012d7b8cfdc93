"""Where special tokens stand among the ids, what each is for, and what is put around a text: one layout a lineage.

The ids are ``first``, [256 byte pieces], pieces, ``last``. A template is written as its tokens, with ``A`` and ``B``
for the texts; ``:1`` behind one gives it token type 1 (BERT's segment B; Devlin et al. 2019, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLES = ("eos", "unk", "pad", "bos", "sep", "mask")  # as `transformers` orders ours
SENTINELS = 100  # Raffel et al. 2020, section 3.1.4; their vocabulary has as many


@dataclass(frozen=True)
class Layout:
    """The special tokens of a vocabulary. ``roles`` maps some of ``ROLES`` to the token that plays it."""

    name: str
    first: tuple[str, ...]
    last: tuple[str, ...]
    roles: Mapping[str, str]
    single: str
    pair: str

    @property
    def specials(self) -> tuple[str, ...]:
        """All special tokens in the order of their ids."""
        return self.first + self.last

    def post_processor(self, ids: Mapping[str, int]) -> dict[str, Any]:
        """The templates as the `tokenizers` library writes them into its file."""
        single, pair = (_template(line, frozenset(self.specials)) for line in (self.single, self.pair))
        written = {_split(item)[0] for line in (self.single, self.pair) for item in line.split()}
        used = [name for name in self.specials if name in written]
        special = {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in used}
        return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}


def _split(item: str) -> tuple[str, int]:
    return (item[:-2], 1) if item.endswith(":1") else (item, 0)


def _template(line: str, specials: frozenset[str]) -> list[dict[str, Any]]:
    items = [_split(item) for item in line.split()]
    return [
        {("SpecialToken" if name in specials else "Sequence"): {"id": name, "type_id": kind}} for name, kind in items
    ]


_BERT = {"eos": "[SEP]", "bos": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
_BERT_TEMPLATES = ("[CLS] A [SEP]", "[CLS] A [SEP] B:1 [SEP]:1")
_ENDS = {"eos": "</s>", "unk": "<unk>", "pad": "<pad>"}
_TEXT = "<|endoftext|>"

LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("regard", ("</s>", "<unk>"), ("<pad>",), _ENDS, "A </s>", "A </s> B </s>"),
        Layout(
            "bert",
            ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
            (),
            {"pad": "[PAD]", "unk": "[UNK]"} | _BERT,
            *_BERT_TEMPLATES,
        ),
        Layout(
            "roberta",
            ("<s>", "<pad>", "</s>", "<unk>"),
            ("<mask>",),
            _ENDS | {"bos": "<s>", "sep": "</s>", "mask": "<mask>"},
            "<s> A </s>",
            "<s> A </s> </s> B </s>",
        ),
        Layout(
            "albert",
            ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"),
            (),
            {"pad": "<pad>", "unk": "<unk>"} | _BERT,
            *_BERT_TEMPLATES,
        ),
        Layout("gpt2", (), (_TEXT,), {"eos": _TEXT, "bos": _TEXT, "pad": _TEXT}, "A", "A B:1"),
        Layout(
            "llama",
            ("<unk>", "<s>", "</s>", "<pad>"),
            (),
            _ENDS | {"bos": "<s>"},
            "<s> A",
            "<s> A <s>:1 B:1",
        ),
        Layout(
            "t5",
            ("<pad>", "</s>", "<unk>"),
            tuple(f"<extra_id_{number}>" for number in reversed(range(SENTINELS))),
            _ENDS,
            "A </s>",
            "A </s> B </s>",
        ),
        Layout("pegasus", ("<pad>", "</s>", "<mask>", "<unk>"), (), _ENDS | {"mask": "<mask>"}, "A </s>", "A B </s>"),
    )
}
