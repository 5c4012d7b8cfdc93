"""A decoder by itself (GPT and its kind): it predicts each token from those before it, and so writes on.

Its stack is the encoder's, under a mask that hides the future: without a source, a decoder block is just that.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from regard.layers.cache import LayerCache
from regard.layers.embedding import OutputLayer
from regard.layers.mask import causal_mask
from regard.models.halves import Attentions
from regard.models.heads import Head, TextHead, TokenHead, last_token
from regard.models.stack import Encoder
from regard.models.vocabulary import Vocabulary
from regard.notation import Hidden, Ids, SourceIds, StepIds, StepLogits

Flags = Bool[Tensor, "B T"]


class LanguageModel(nn.Module):
    """P(text) = Π_t P(x_t | x_<t)."""

    def __init__(
        self,
        stack: Encoder,
        vocabulary: Vocabulary,
        *,
        output: OutputLayer | None = None,
        head: TextHead | TokenHead | None = None,
        most_tokens: int | None = None,
    ) -> None:
        super().__init__()
        self.stack = stack
        self.output = output
        self.head = head
        self.ids = vocabulary
        self.most_tokens = most_tokens

    @property
    def eos(self) -> int:
        """The id that ends a text."""
        return self.ids.eos

    @property
    def pad(self) -> int | None:
        """The id that fills up texts."""
        return self.ids.pad

    @property
    def source_pad(self) -> int | None:
        """The id that fills up prompts."""
        return self.ids.source_pad

    def forward(self, ids: Ids, texts: Ids | None = None) -> Hidden:
        """The state of every token, which has seen itself and those before it.

        ``texts`` numbers the text that each token belongs to, where a row holds several: none sees another, and places
        begin anew with each. 0 is padding.
        """
        mask = causal_mask(ids.shape[1], ids.device)
        if texts is None:
            return self.stack(ids, mask)
        together = texts[:, None, :, None] == texts[:, None, None, :]
        return self.stack(ids, mask & together & (texts != 0)[:, None, None, :], places=places_in_texts(texts))

    def transform(self, hidden: Tensor) -> Tensor:
        """What the output layer reads: the states as they are."""
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """[…, D] → [… V]."""
        assert self.output is not None, "a model without an output layer predicts no tokens"
        return self.output(hidden)

    def classify(self, ids: Ids, types: Ids | None = None) -> Tensor:
        """The classes' logits: [B, C] of texts, read off their last token, or [B, T, C] of tokens."""
        assert self.head is not None, "a model without a head has no classes"
        return self.head(self(ids, real_tokens(ids, self.ids).long()), ids)

    def attentions(self) -> Attentions:
        """That of each layer to the text so far."""
        return {"decoder": self.stack.self_attentions()}

    def start_decoding(self, source: SourceIds, beams: int = 1) -> Writing:
        """Read the prompts up to their last token, and make room for ``beams`` continuations of each."""
        ids, real = _to_the_right(source, real_tokens(source, self.ids))
        places = places_in_texts(real.long())
        state = Writing([LayerCache() for _ in self.stack.blocks], ids[:, -1], places[:, :-1], real[:, :-1], beams)
        if ids.shape[1] > 1:
            mask = causal_mask(ids.shape[1] - 1, ids.device) & state.seen[:, None, None, :]
            self.stack.read_on(ids[:, :-1], state.caches, mask, state.places, state.places)
        state.reorder(torch.arange(len(ids), device=ids.device).repeat_interleave(beams))
        return state

    def step(self, tokens: StepIds, state: Writing) -> StepLogits:
        """Feed each row its newest token (``state.first`` at first); the logits of what comes next."""
        new = state.advance()
        mask = None if bool(state.seen.all()) else state.seen[:, None, None, :]
        return self.logits(self.stack.read_on(tokens[:, None], state.caches, mask, new, state.places)[:, 0])


@dataclass
class Writing:
    """What a search keeps between steps: R = prompts × beams rows; those of a prompt are adjacent.

    ``first`` are the tokens to feed at first. ``places`` are those of the tokens in the caches, of which ``seen`` are
    real: padding stands before a prompt that is shorter than the others.
    """

    caches: list[LayerCache]
    first: StepIds
    places: Ids
    seen: Bool[Tensor, "R S"]
    beams: int

    def advance(self) -> Ids:
        """The places of the newest tokens, which now count as known."""
        new = self.seen.sum(1, keepdim=True)
        self.places = torch.cat((self.places, new), 1)
        self.seen = torch.cat((self.seen, torch.ones_like(new, dtype=torch.bool)), 1)
        return new

    def reorder(self, rows: Tensor) -> None:
        """Row i goes on from what row ``rows[i]`` was."""
        self.first, self.places, self.seen = self.first[rows], self.places[rows], self.seen[rows]
        for cache in self.caches:
            cache.reorder(rows)

    def keep(self, sentences: Tensor) -> None:
        """Only these prompts go on."""
        beams = torch.arange(self.beams, device=sentences.device)
        self.reorder((sentences[:, None] * self.beams + beams).flatten())


def head_of_classes(head: Head, d_model: int, pad: int | None, dropout_rate: float) -> TextHead | TokenHead | None:
    """Classes of each token, or of a text by its last one, as decoders have it: a linear map without bias."""
    if head.kind == "tokens":
        return TokenHead(d_model, len(head.labels), dropout_rate)
    if head.kind == "classification":
        return TextHead(last_token(pad), d_model, len(head.labels), dense=False, bias=False)
    return None


def places_in_texts(texts: Ids) -> Ids:
    """0, 1, 2 … within each run of one number: where a token stands in its own text."""
    columns = torch.arange(texts.shape[1], device=texts.device).expand_as(texts)
    begins = torch.ones_like(texts, dtype=torch.bool)
    begins[:, 1:] = texts[:, 1:] != texts[:, :-1]
    return columns - torch.where(begins, columns, 0).cummax(1).values


def real_tokens(ids: Ids, vocabulary: Vocabulary) -> Flags:
    """Which tokens are no padding, which stands before or after a text; an empty text keeps its first token.

    Where padding has no id of its own, as in GPT-2's files, a text may begin with that id and padding only follows it.
    """
    if vocabulary.source_pad is None:
        return torch.ones_like(ids, dtype=torch.bool)
    real = ids != vocabulary.source_pad
    if vocabulary.source_pad in (vocabulary.bos, vocabulary.eos):
        real = real.flip(1).cummax(1).values.flip(1)  # everything up to the last one that is real
    empty = ~real.any(1)
    real[:, 0] |= empty
    return real


def _to_the_right(ids: Ids, real: Flags) -> tuple[Ids, Flags]:
    """The texts moved to the right, padding before them; and which tokens are real."""
    order = real.long().argsort(dim=1, stable=True)
    return ids.gather(1, order), real.gather(1, order)
