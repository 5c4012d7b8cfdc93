"""Text to ids and back: one class for every kind of tokenizer, saved as one ``tokenizer.json``."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Library
from tokenizers import decoders

from regard.config import setting
from regard.data.tokenizer_kinds import END, FIXED, KINDS, PAD, SPACE, UNKNOWN, learn
from regard.errors import CheckpointError, DataError, SettingError
from regard.storage import write_file

LONGEST_SAMPLE = 10_000  # characters of a line that training looks at


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
        least = FIXED[self.kind] + 1 if self.kind in FIXED else 0
        if 0 < self.size < least:
            what = "3 specials and 256 bytes" if least > 256 else "3 specials"
            expected = f"0 or at least {least} ({what} and one piece) for the kind {self.kind}"
            raise SettingError.because("size", self.size, expected, "use 0 to let the data decide")


def train_tokenizer(texts: Iterable[str], settings: TokenizerSettings) -> Tokenizer:
    """Learn a vocabulary from ``texts``, in memory bounded by ``settings.sample_lines``.

    The same texts give the same file, byte for byte. Where the texts have fewer pieces to offer than
    ``settings.size``, the vocabulary is smaller (``Tokenizer.size`` tells).
    Raises DataError where there is no text at all, or text that is not Unicode.
    """
    lines = _sample(texts, settings.sample_lines)
    if not any(line.strip() for line in lines):
        raise DataError.because("tokenizer", "no text", "some lines to learn a vocabulary from", "check the corpus")
    check_unicode(lines)
    described = learn(lines, settings.kind, settings.size, settings.lowercase, settings.spaces)
    return Tokenizer(Library.from_str(described))


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
    """Text ↔ ids, with ``</s>`` = 0, ``<unk>`` = 1 and ``<pad>`` = ``size`` - 1.

    The text of a user never becomes ``</s>``, ``<pad>`` or a byte piece; it becomes ``<unk>`` only where the kind is
    character or word.
    """

    def __init__(self, library: Library) -> None:
        """Raises CheckpointError where the vocabulary is not laid out as above."""
        self.size = library.get_vocab_size(with_added_tokens=True)
        self.eos, self.unk, self.pad = 0, 1, self.size - 1
        for name, index in ((END, self.eos), (UNKNOWN, self.unk), (PAD, self.pad)):
            if library.token_to_id(name) != index:
                got = f"{name} as id {library.token_to_id(name)}"
                action = "use a tokenizer that regard trained"
                raise CheckpointError.because("tokenizer", got, f"id {index} of {self.size}", action)
        if set(library.get_vocab(with_added_tokens=True).values()) != set(range(self.size)):
            raise CheckpointError.because("tokenizer", "ids with gaps", f"0 to {self.size - 1}", "train it again")
        library.no_padding()
        library.no_truncation()
        library.encode_special_tokens = True  # or the library would make specials out of a user's text
        self._library = library
        self._shows_bytes = b'"ByteLevel"' in library.decoder.__getstate__()

    def encode(self, text: str) -> list[int]:
        """The ids of one text, without ``</s>``. Raises DataError where it is not Unicode."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text, without ``</s>``; the library shares the texts among the processor's cores."""
        check_unicode(texts)
        return [encoding.ids for encoding in self._library.encode_batch_fast(texts, add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids up to the first ``</s>``, without ``<pad>``; bytes that are no UTF-8 become U+FFFD."""
        return str(self._library.decode(list(self._shown(ids)), skip_special_tokens=False))

    def _shown(self, ids: Sequence[int]) -> Iterator[int]:
        for index in ids:
            if index == self.eos:
                return
            if index != self.pad:
                yield int(index)

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text as a reader may see them, with ``▁`` for a space."""
        return self.pieces_of(self.encode(text))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where each piece of the text stands in it: (start, end) in characters, end excluded."""
        check_unicode([text])
        return list(self._library.encode(text, add_special_tokens=False).offsets)

    def pieces_of(self, ids: Sequence[int]) -> list[str]:
        """The piece of each id, specials included, as a reader may see it."""
        return [self._readable(index) for index in ids]

    def _readable(self, index: int) -> str:
        piece = self._library.id_to_token(int(index))
        assert piece is not None, f"id {index} of a vocabulary of {self.size}"
        if self._shows_bytes and index not in (self.eos, self.unk, self.pad):
            piece = decoders.ByteLevel().decode([piece])
        return str(piece).replace(" ", SPACE)

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``, whole or not at all."""
        write_file(path, self._library.to_str(pretty=True) + "\n")

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read ``tokenizer.json``. Raises CheckpointError where it is missing, damaged or of another layout."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            got = "no readable file" if isinstance(error, OSError) else "bytes that are not UTF-8"
            raise CheckpointError.because(path, got, "a tokenizer.json", "check the run's folder") from error
        try:
            library = Library.from_str(text)
        except Exception as error:  # the library raises plain Exception
            raise CheckpointError.because(path, "damaged JSON", "a whole tokenizer.json", "restore the file") from error
        return cls(library)

    def transformers_config(self) -> dict[str, Any]:
        """What ``tokenizer_config.json`` says, so that `transformers` opens the folder and treats a text alike."""
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "unk_token": UNKNOWN,
            "pad_token": PAD,
            "clean_up_tokenization_spaces": False,
            "split_special_tokens": True,
        }
