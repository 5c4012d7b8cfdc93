"""What is seen of one text inside a model: all that a page or a picture shows of it, as plain numbers.

``[N, H, T, S]``: row t is who looks, column s what is looked at. Of an encoder–decoder told (or having found) its
target, row t of ``decoder`` and ``cross`` is what the model looked at to predict target token t; the decoder's columns
are the tokens that it was ``fed``, which are the target's, one place later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from torch import Tensor

from regard.data.tokenizers.tokenizer_kinds import CONTINUED
from regard.looking.align import Groups, spell, word_groups
from regard.looking.lettering import visible
from regard.looking.maps import piece_labels

ENCODER, DECODER, CROSS = "encoder", "decoder", "cross"
STACKS = (ENCODER, DECODER, CROSS)


@dataclass(frozen=True)
class Attention:
    """The weights of one text or sentence pair: [layers, heads, looking positions, positions looked at].

    Rows sum to one. A stack that the model lacks, or that has no attention, has no layers here.
    """

    encoder: Tensor
    decoder: Tensor
    cross: Tensor

    def of(self, stack: str) -> Tensor:
        """The weights of one of STACKS."""
        found: Tensor = getattr(self, stack)
        return found


@dataclass(frozen=True)
class Words:
    """A text as the model has it: pieces of its vocabulary, the special ones included.

    ``starts``: whether each piece begins a word, where a tokenizer knows better than ``word_groups``. ``specials`` are
    the places of pieces that are no text.
    """

    pieces: tuple[str, ...]
    starts: tuple[bool, ...] | None = None
    specials: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.pieces)

    @cached_property
    def labels(self) -> list[str]:
        """The pieces for reading; a piece that continues a word begins with "·"."""
        return [visible(label) for label in piece_labels(self.pieces)]

    @cached_property
    def groups(self) -> Groups:
        """The numbers of the pieces of each word."""
        if self.starts is None:
            return word_groups(self.pieces)
        first = [place for place, starts in enumerate(self.starts) if starts or place == 0]
        return [list(range(start, end)) for start, end in pairwise([*first, len(self.pieces)])]

    @cached_property
    def groups_of_text(self) -> Groups:
        """Those that are no special tokens."""
        return [group for group in self.groups if not set(group) & set(self.specials)]

    @cached_property
    def words(self) -> list[str]:
        """The words of ``groups``, for reading."""
        return self.spelt(self.groups)

    def spelt(self, groups: Groups) -> list[str]:
        """The pieces of each group as one word, for reading."""
        return [visible(spell([self.pieces[place].removeprefix(CONTINUED) for place in group])) for group in groups]


@dataclass(frozen=True)
class Cells:
    """An image as the model has it: a grid of cells, row by row, over ``picture`` (a PNG file's bytes).

    ``before``: tokens that stand before the cells, such as a class token.
    """

    rows: int
    columns: int
    picture: bytes
    before: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.before) + self.rows * self.columns


Side = Words | Cells


@dataclass(frozen=True)
class Choices:
    """The likeliest next tokens after each position: k ``pieces`` with their ``logits`` [T, k], likeliest first.

    P(piece) at a temperature τ is exp(logit / τ − normaliser), with log Σ exp(logit / τ) over the whole vocabulary
    in ``normalisers`` [T, len(temperatures)].
    """

    pieces: list[list[str]]
    logits: Tensor
    temperatures: tuple[float, ...]
    normalisers: Tensor


@dataclass(frozen=True)
class Branch:
    """A candidate of one step of a beam search: ``piece`` after the hypothesis of rank ``parent`` of the step before.

    ``log_probability`` and ``total`` in nats; ``rank`` among the live hypotheses of the next step, None where it was
    dropped or has ended. ``won``: it is part of the best output.
    """

    parent: int
    piece: str
    log_probability: float
    total: float
    rank: int | None
    ended: bool
    won: bool = False


@dataclass(frozen=True)
class Output:
    """One of the n best outputs: its score is its log-probability in nats, divided by the length penalty."""

    text: str
    score: float
    log_probability: float


@dataclass(frozen=True)
class Tree:
    """A beam search, step by step, the candidates of a step best first; and what it found, best first."""

    beam: int
    steps: list[list[Branch]]
    outputs: list[Output]


@dataclass(frozen=True)
class AttentionStep:
    """One token in one attention: q → scores → weights → Σ weights · v of each head → output → after residual, norm.

    ``scores`` are NaN where the mask hides. ``stack`` is one of STACKS.
    """

    stack: str
    query: Tensor  # [H, K]
    scores: Tensor  # [H, S]
    weights: Tensor  # [H, S]
    gathered: Tensor  # [H, W]
    output: Tensor  # [D]
    after: Tensor  # [D]


@dataclass(frozen=True)
class FeedForwardStep:
    """One token in one feed-forward network: its inner activations, what comes out, and after residual and norm."""

    inner: Tensor  # [F]
    output: Tensor  # [D]
    after: Tensor  # [D]


@dataclass(frozen=True)
class Way:
    """The way of one token through the model: token vector + position → layers → what the last layer says.

    ``side`` is "source" or "target" (of a target: the position that is fed token ``place`` and predicts the next).
    ``position``: what was added to the token's vector, None where positions work otherwise.
    """

    side: str
    place: int
    token: Tensor  # [D]
    position: Tensor | None  # [D]
    start: Tensor  # [D]: what the first layer reads
    layers: list[tuple[AttentionStep | FeedForwardStep, ...]]
    end: Tensor  # [D]


@dataclass(frozen=True)
class Look:
    """One text in one model. ``target`` and ``fed`` (what its decoder read) are None but for encoder–decoders.

    ``summaries`` are single matrices, by their names, of the stack ``summed``: words that a person compares with
    alignments. ``head`` (stack, layer, head) is the one to show first. ``label`` names this look among several, such
    as a step of training.
    """

    name: str
    family: str
    source: Side
    attention: Attention
    target: Words | None = None
    fed: Words | None = None
    summaries: Mapping[str, Tensor] = field(default_factory=dict)
    summed: str = CROSS
    head: tuple[str, int, int] | None = None
    choices: Choices | None = None
    tree: Tree | None = None
    ways: tuple[Way, ...] = ()
    classes: Mapping[str, float] = field(default_factory=dict)  # of a classifier: the probability of each class
    label: str = ""
    text: str = ""
    log_probabilities: tuple[float, ...] = ()  # of each target token, in nats
