"""Small models of every family, and a text for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from regard.families import albert, bart, bert, convs2s, gpt2, llama, marian, rnn, t5, transformer
from regard.models.vocabulary import Vocabulary, joint_vocabulary

V = 30
PUBLIC = Vocabulary.of_texts(V, {"eos": 2, "pad": 1, "bos": 0}, start=2)
T5 = Vocabulary.of_texts(V, {"eos": 1, "pad": 0}, start=0)
OWN = joint_vocabulary(V)

TRANSLATING: dict[str, tuple[Any, Any, Vocabulary]] = {
    "transformer": (transformer, transformer.TOY, OWN),
    "transformer, pre-norm": (transformer, replace(transformer.TOY, norm="pre", layers=3), OWN),
    "transformer, no residual": (transformer, replace(transformer.TOY, residual=False), OWN),
    "marian": (marian, marian.TOY, replace(PUBLIC, never=1)),
    "bart": (bart, bart.TOY, PUBLIC),
    "t5": (t5, t5.TOY, T5),
    "convs2s": (convs2s, convs2s.TOY, OWN),
    "rnn, additive": (rnn, replace(rnn.TOY, attention="additive"), OWN),
    "rnn, dot": (rnn, replace(rnn.TOY, attention="dot", cell="lstm", d_encoder=8), OWN),
    "rnn, general": (rnn, replace(rnn.TOY, attention="general"), OWN),
}
READING: dict[str, tuple[Any, Any, Vocabulary]] = {
    "bert": (bert, bert.TOY, PUBLIC),
    "albert": (albert, albert.TOY, PUBLIC),
    "gpt2": (gpt2, gpt2.TOY, PUBLIC),
    "llama": (llama, llama.TOY, PUBLIC),
}
READ, WRITTEN = [5, 9, 4, 11, 6, 2], [7, 8, 10, 9, 2]
