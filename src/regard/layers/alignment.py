"""The attention of recurrent models: one head, which looks at the encoder's states as they are."""

from __future__ import annotations

from torch import nn

from regard.layers.attention import Recorder, attention
from regard.layers.multihead import KeyValues
from regard.layers.similarity import Additive, DotProduct, Similarity
from regard.notation import Contexts, Hidden, Mask, Memory


class Alignment(nn.Module):
    """c_t = Σ_s α_ts m_s with α_t = softmax_s(similarity(A q_t, B m_s)) (Bahdanau et al. 2015, equations 5 and 6).

    ``query`` is A and ``key`` is B, the identity where there is none. ``recorder``, where set, receives the weights.
    """

    def __init__(self, similarity: Similarity, query: nn.Linear | None = None, key: nn.Linear | None = None) -> None:
        super().__init__()
        self.query = query
        self.key = key
        self.similarity = similarity
        self.recorder: Recorder | None = None

    def remember(self, memory: Memory) -> KeyValues:
        """What does not depend on who asks: keys once for a sentence, and the states themselves as values."""
        key = memory if self.key is None else self.key(memory)
        return KeyValues(key[:, None], memory[:, None])

    def forward(self, x: Hidden, remembered: KeyValues, mask: Mask | None = None) -> Contexts:
        """The context of each position of ``x``."""
        query = x if self.query is None else self.query(x)
        found = attention(
            query[:, None],
            remembered.key,
            remembered.value,
            mask=mask,
            similarity=self.similarity,
            recorder=self.recorder,
        )
        return found[:, 0]


def additive_alignment(d_model: int, d_memory: int, width: int) -> Alignment:
    """Similarity v · tanh(W_a s + U_a m) (Bahdanau et al. 2015, A.1.2). ``width``: of v."""
    return Alignment(Additive(1, width), nn.Linear(d_model, width, bias=False), nn.Linear(d_memory, width))


def dot_alignment() -> Alignment:
    """Similarity s · m (Luong et al. 2015, section 3.1, "dot"): states and memory are equally wide."""
    return Alignment(DotProduct(scale=1.0))


def general_alignment(d_model: int, d_memory: int) -> Alignment:
    """Similarity s · (W_a m) (Luong et al. 2015, section 3.1, "general")."""
    return Alignment(DotProduct(scale=1.0), key=nn.Linear(d_memory, d_model, bias=False))
