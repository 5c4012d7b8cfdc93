"""Text to ids and back: one class for every kind of tokenizer, saved as one ``tokenizer.json``."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer as Library
from tokenizers import decoders

from regard.config import setting
from regard.data.plain_file import VOCABULARY_BYTES, read_plain
from regard.data.tokenizers.layout import LAYOUTS, Layout
from regard.data.tokenizers.library_faults import is_fault, library_faults
from regard.data.tokenizers.roles import LANGUAGE, complete_roles, named_roles, read_config, roles_of_layout, sentinels
from regard.data.tokenizers.sentencepiece_library import OUT_OF_REACH
from regard.data.tokenizers.specials import keep_from_texts, marking, with_language, with_tokens, word_starts
from regard.data.tokenizers.tokenizer_kinds import END, KINDS, PAD, SPACE, SPELT, UNKNOWN, fixed, learn
from regard.data.tokenizers.wrapping import Wrapped, find_template
from regard.errors import CheckpointError, DataError, SettingError
from regard.storage import write_file

LONGEST_SAMPLE = 10_000  # characters of a line that training looks at
WHOLE = ("character", "word")  # kinds that merge nothing: the others learn from words of 100 characters at most
LONGEST_WORD = re.compile(r"\S{100}(?=\S)")  # every merge looks at all of a word


@dataclass(frozen=True)
class TokenizerSettings:
    """What the vocabulary consists of, and how large it may become."""

    kind: str = setting("bpe", help="what a piece is", choices=KINDS)
    size: int = setting(0, help="ids in the vocabulary at most, specials included; 0: the data decides", minimum=0)
    joint: bool = setting(True, help="one vocabulary for source and target")
    lowercase: bool = setting(False, help="turn everything into lower case")
    spaces: str = setting("single", help="turn runs of white space into one space", choices=("single", "keep"))
    sample_lines: int = setting(200_000, help="lines at most to learn the vocabulary from", minimum=1)

    def __post_init__(self) -> None:
        self.check_size(LAYOUTS["regard"])

    def check_size(self, layout: Layout) -> None:
        """Raise SettingError where ``size`` leaves no room for a single piece beside the layout's specials."""
        if self.kind not in KINDS:
            return
        least = fixed(self.kind, layout) + 1
        if 0 < self.size < least:
            bytes_too = " and 256 bytes" if self.kind in SPELT else ""
            what = f"{least - 1 - (256 if bytes_too else 0)} specials{bytes_too}"
            expected = f"0 or at least {least} ({what} and one piece) for the kind {self.kind}"
            raise SettingError.because("size", self.size, expected, "use 0 to let the data decide")


def train_tokenizer(texts: Iterable[str], settings: TokenizerSettings, layout: Layout = LAYOUTS["regard"]) -> Tokenizer:
    """Learn a vocabulary from ``texts``, in memory bounded by ``settings.sample_lines``.

    The same texts give the same file, byte for byte. Where the texts have fewer pieces to offer than
    ``settings.size``, the vocabulary is smaller (``Tokenizer.size`` tells).
    Raises DataError where there is no text at all, or text that is not Unicode, and SettingError where the size has
    no room for the specials of ``layout``.
    """
    settings.check_size(layout)
    lines = _sample(texts, settings.sample_lines)
    if not any(line.strip() for line in lines):
        raise DataError.because("tokenizer", "no text", "some lines to learn a vocabulary from", "check the corpus")
    check_unicode(lines)
    if settings.kind not in WHOLE:
        lines = [LONGEST_WORD.sub(r"\g<0> ", line) for line in lines]
    described = learn(lines, settings.kind, settings.size, settings.lowercase, settings.spaces, layout)
    return Tokenizer(Library.from_str(described), roles_of_layout(layout))


def _sample(texts: Iterable[str], limit: int) -> list[str]:
    """At most ``limit`` of the texts, every one with the same chance, the same ones each time."""
    generator = random.Random(0)
    kept: list[str] = []
    chance = 1.0
    for text in texts:
        if chance < 1.0 and generator.random() >= chance:
            continue
        kept.append(text[:LONGEST_SAMPLE])
        if len(kept) > limit:
            kept = [line for line in kept if generator.random() < 0.5]
            chance /= 2
    return kept


def check_unicode(texts: Sequence[str]) -> None:
    """Raise DataError where a text holds half of a surrogate pair, which no UTF-8 can express."""
    for number, text in enumerate(texts, start=1):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            got = f"the lone surrogate U+{ord(text[error.start]):04X} at character {error.start + 1}"
            raise DataError.because(f"text {number}", got, "Unicode text", "repair it where it comes from") from error


class Tokenizer:
    """Text ↔ ids. Ours have ``</s>`` = 0, ``<unk>`` = 1, ``<pad>`` = ``size`` - 1, unless another layout is asked for.

    ``eos``, ``unk``, ``pad``, ``bos`` (``[CLS]``, ``<s>``), ``sep`` and ``mask`` are ids, None where the vocabulary has
    none. ``specials`` are the ids that stand for no text. The text of a user never becomes a special token or a byte
    piece; it becomes ``<unk>`` only where the model cannot spell it.
    """

    def __init__(self, library: Library, roles: Mapping[str, str] | None = None) -> None:
        """``roles`` are tokens by their keys in ``tokenizer_config.json``; what they lack goes by the usual names.

        Raises CheckpointError where ids are missing in between, or where the first are ``</s>`` and ``<unk>``, as in
        ours, and ``<pad>`` is not the last.
        """
        vocabulary = library.get_vocab(with_added_tokens=True)
        self.size = library.get_vocab_size(with_added_tokens=True)
        self._ours = vocabulary.get(END) == 0 and vocabulary.get(UNKNOWN) == 1
        if self._ours and vocabulary.get(PAD) != self.size - 1:
            expected, action = f"id {self.size - 1} of {self.size}", "use a tokenizer that regard trained"
            raise CheckpointError.because("tokenizer", f"{PAD} as id {vocabulary.get(PAD)}", expected, action)
        if set(vocabulary.values()) != set(range(self.size)):
            raise CheckpointError.because("tokenizer", "ids with gaps", f"0 to {self.size - 1}", "train it again")
        library.no_padding()
        library.no_truncation()
        library.encode_special_tokens = True  # or the library would make specials out of a user's text
        added = library.get_added_tokens_decoder()
        self._roles = complete_roles(roles or {}, vocabulary)
        played = {key: vocabulary[token] for key, token in self._roles.items()}
        self.specials = frozenset(played.values()) | {index for index, token in added.items() if token.special}
        names = {index: token.content for index, token in sorted(added.items())}
        self.languages: Mapping[str, int] = {name: index for index, name in names.items() if LANGUAGE.fullmatch(name)}
        self.sentinels = sentinels(vocabulary)
        special_names = {name for name, index in vocabulary.items() if index in self.specials}
        with library_faults():
            keep_from_texts(library, special_names, self._roles.get("unk_token"))
            self._template = find_template(library, list(vocabulary)[:100])
            library.encode("")  # what only fails there fails now
        self._library = library
        self.unk, self.pad, self.mask = (played.get(f"{role}_token") for role in ("unk", "pad", "mask"))
        self.bos = played.get("cls_token", played.get("bos_token"))
        self.sep = played.get("sep_token", self._template.closing())
        self.eos = played.get("eos_token", self.sep)
        self._shows_bytes = library.decoder is not None and b'"ByteLevel"' in library.decoder.__getstate__()

    @property
    def kind(self) -> str:
        """How it cuts words into pieces: "BPE", "WordPiece", "Unigram" or "WordLevel"."""
        return type(self._library.model).__name__

    def encode(self, text: str) -> list[int]:
        """The ids of one text, without special tokens. Raises DataError where it is not Unicode."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text, without special tokens; the library shares the texts among the processor's cores."""
        check_unicode(texts)
        with library_faults():
            return [encoding.ids for encoding in self._library.encode_batch_fast(texts, add_special_tokens=False)]

    def encode_marked(self, text: str) -> list[int]:
        """The ids of a text in which the mask, the sentinels and the languages may be written out as tokens."""
        check_unicode([text])
        with library_faults():
            return list(self._marking.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _marking(self) -> Library:
        return marking(self._library, self._roles.get("mask_token"))

    def wrap(self, first: Sequence[int], second: Sequence[int] | None = None) -> Wrapped:
        """The ids of a text, or of two, with the special tokens that the file puts around, and their segments."""
        return self._template.wrap(first, second)

    def speaking(self, language: str) -> Tokenizer:
        """The same tokenizer with another of ``languages`` around a text: mBART's target side, say.

        Raises SettingError where the vocabulary has no such language, or none stands around a text.
        """
        library = with_language(self._library, language, self.languages)
        return Tokenizer(library, self._roles)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids without special tokens but ``<unk>``; bytes that are no UTF-8 become U+FFFD.

        In our own layout the text ends at the first ``</s>``.
        """
        with library_faults():
            return str(self._library.decode(list(self._shown(ids)), skip_special_tokens=False))

    def _shown(self, ids: Sequence[int]) -> Iterator[int]:
        for index in ids:
            if self._ours and index == self.eos:
                return
            if index == self.unk or index not in self.specials:
                yield int(index)

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text as a reader may see them, with ``▁`` for a space."""
        return self.pieces_of(self.encode(text))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where each piece of the text stands in it: (start, end) in characters, end excluded."""
        check_unicode([text])
        with library_faults():
            return list(self._library.encode(text, add_special_tokens=False).offsets)

    def pieces_of(self, ids: Sequence[int]) -> list[str]:
        """The piece of each id, specials included, as a reader may see it."""
        return [self._readable(index) for index in ids]

    def _readable(self, index: int) -> str:
        piece = self._library.id_to_token(int(index))
        assert piece is not None, f"id {index} of a vocabulary of {self.size}"
        if self._shows_bytes and index not in self.specials:
            piece = decoders.ByteLevel().decode([piece])
        return str(piece).removeprefix(OUT_OF_REACH).replace(" ", SPACE)

    @cached_property
    def word_starts(self) -> np.ndarray:
        """For every id, whether its piece begins a word: the first piece of a text does so whatever this says."""
        return word_starts(self._library, self.pieces_of(range(self.size)), self.specials)

    def extended(self, tokens: Sequence[str]) -> tuple[Tokenizer, np.ndarray]:
        """A tokenizer that knows these words as tokens of their own, and the new id of every old id.

        New ids come behind the old ones; in our own layout ``<pad>`` moves behind them and stays the last. Words that
        are in the vocabulary already change nothing. Raises SettingError for an empty word or a special token.
        """
        library, moved = with_tokens(self._library, tokens, PAD if self._ours else None)
        return Tokenizer(library, self._roles), moved

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``, whole or not at all."""
        write_file(path, self._library.to_str(pretty=True) + "\n")

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read ``tokenizer.json``, and the roles of its tokens from the ``tokenizer_config.json`` beside it.

        Raises CheckpointError where the file is missing, damaged or has gaps.
        """
        try:
            text = read_plain(path, VOCABULARY_BYTES).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            got = "no readable file" if isinstance(error, OSError) else "bytes that are not UTF-8"
            raise CheckpointError.because(path, got, "a tokenizer.json", "check the run's folder") from error
        try:
            library = Library.from_str(text)
        except BaseException as error:  # the library raises plain Exception, or panics
            if not is_fault(error):
                raise
            raise CheckpointError.because(path, "damaged JSON", "a whole tokenizer.json", "restore the file") from error
        return cls(library, named_roles(read_config(path.parent), path.parent))

    def transformers_config(self) -> dict[str, Any]:
        """What ``tokenizer_config.json`` says, so that `transformers` opens the folder and treats a text alike."""
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **self._roles,
            "clean_up_tokenization_spaces": False,
            "split_special_tokens": True,
        }
