"""How each kind of tokenizer is learnt and written down, as the JSON that the `tokenizers` library reads.

The ids are laid out alike for every kind: the layout's first specials, [256 byte pieces], pieces, its last specials;
by default ``</s>`` 0, ``<unk>`` 1, …, ``<pad>`` last.

Every text goes through the same four steps, all of them inside the file:
  1. normalise  NFC; optionally lower case; runs of white space become one space; one space is put in front;
  2. split      into words with their space, single digits, runs of other signs, and each ``<`` alone;
  3. model      BPE or unigram with byte pieces for what they don't know, bytes, words, word pieces or characters;
  4. decode     the reverse of 3, 2 and 1, without the space in front.

Splitting off ``<`` (and ``[`` in layouts with ``[CLS]``) is what keeps a special token or byte piece from ever being
made out of a user's text: all of them begin so and are longer, so no match of the model can reach across. In the
kinds that show a space as ``▁`` (U+2581), that character in a text reads as a space.
Word pieces (Wu et al. 2016, as in BERT) are split at white space and at every sign instead, and forget the spaces.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any
from unicodedata import normalize

from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Library

from regard.data.tokenizers.layout import LAYOUTS, Layout
from regard.errors import DataError

END, UNKNOWN, PAD = "</s>", "<unk>", "<pad>"
BYTE_PIECES = tuple(f"<0x{value:02X}>" for value in range(256))
SPACE = "▁"
CONTINUED = "##"  # in front of a word piece that does not begin its word
KINDS = ("bpe", "unigram", "byte", "character", "word", "wordpiece")
SPELT = ("bpe", "unigram", "byte")  # kinds that spell what they do not know, or everything, in bytes
REGARD = LAYOUTS["regard"]
LARGEST = 32_000  # where the data decides, it never decides for more
SEEN_OFTEN = 10  # where the data decides, a piece must occur this often to be worth its embedding
SEEN_TWICE = 2  # where a size is given, and for words and characters, so that some of the text trains <unk>


def fixed(kind: str, layout: Layout = REGARD) -> int:
    """How many ids belong to no text: the specials, and the bytes where the kind consists of them or needs them."""
    return len(_specials(kind, layout)[0]) + len(layout.last) + (256 if kind in SPELT else 0)


def _specials(kind: str, layout: Layout) -> tuple[tuple[str, ...], str | None]:
    """The specials in front, and the one for what is unknown: a kind that needs one has it whatever the layout says."""
    unknown = layout.roles.get("unk")
    if unknown is None and kind not in ("bpe", "byte"):
        return (*layout.first, UNKNOWN), UNKNOWN
    return layout.first, unknown


def _splitting(space: str, layout: Layout) -> str:
    first = "".join(sorted({"<", *(name[0] for name in layout.specials)})).replace("[", r"\[")
    words, digits, signs = r"[\p{L}\p{M}]+", r"\p{N}", rf"[^\p{{L}}\p{{M}}\p{{N}}{space}{first}]+"
    alone = first if len(first) == 1 else f"[{first}]"
    return "|".join([f"{space}?{words}", f"{space}?{digits}", f"{space}?{signs}", space, alone])


def _normalizer(kind: str, lowercase: bool, spaces: str) -> normalizers.Normalizer:
    if kind == "wordpiece":  # accents stay: without them Hangul would fall apart into its letters
        plain = normalizers.BertNormalizer(
            clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=lowercase
        )
        return normalizers.Sequence([normalizers.NFC(), plain, normalizers.NFC()])
    steps: list[normalizers.Normalizer] = [normalizers.NFC()]
    if lowercase:
        steps += [normalizers.Lowercase(), normalizers.NFC()]
    if spaces == "single":
        shown = "" if kind in ("byte", "character") else SPACE
        steps += [normalizers.Replace(Regex(rf"[\s{shown}]+"), " "), normalizers.Strip()]
    if kind == "byte":
        steps.append(normalizers.Prepend(" "))
    elif kind != "character":
        steps += [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    return normalizers.Sequence(steps)


def _pre_tokenizer(kind: str, layout: Layout) -> pre_tokenizers.PreTokenizer:
    if kind == "wordpiece":
        return pre_tokenizers.BertPreTokenizer()
    if kind == "character":
        return pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    if kind == "byte":
        bytes_shown = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(_splitting(" ", layout)), "isolated"), bytes_shown])
    return pre_tokenizers.Split(Regex(_splitting(SPACE, layout)), "isolated")


def _decoder(kind: str, unknown: str | None) -> decoders.Decoder:
    if kind == "wordpiece":
        return decoders.WordPiece(prefix=CONTINUED)
    without_first_space = decoders.Strip(" ", 1, 0)
    if kind == "character":
        return decoders.Fuse()
    if kind == "byte":
        return decoders.Sequence([decoders.ByteLevel(), without_first_space])
    # An unknown word has lost the space that it was written with.
    apart = [decoders.Replace(unknown, f" {unknown}")] if kind == "word" and unknown else [decoders.ByteFallback()]
    return decoders.Sequence([decoders.Replace(SPACE, " "), *apart, decoders.Fuse(), without_first_space])


def _blank(kind: str, lowercase: bool, spaces: str, layout: Layout) -> Library:
    unknown = _specials(kind, layout)[1]
    blanks = {"bpe": models.BPE, "byte": models.BPE, "unigram": models.Unigram}
    if kind == "wordpiece":
        library = Library(models.WordPiece(unk_token=str(unknown), continuing_subword_prefix=CONTINUED))
    else:
        library = Library(blanks.get(kind, models.WordLevel)())
    library.normalizer = _normalizer(kind, lowercase, spaces)
    library.pre_tokenizer = _pre_tokenizer(kind, layout)
    library.decoder = _decoder(kind, unknown)
    return library


def _alphabet(pieces: int) -> int:
    """How many of the pieces may be single characters; the byte pieces spell the rest."""
    return max(pieces // 2, min(pieces, 100))


def _trainer(kind: str, pieces: int, seen: int) -> trainers.Trainer:
    if kind == "unigram":
        return trainers.UnigramTrainer(vocab_size=pieces, special_tokens=[], show_progress=False)
    if kind == "byte":
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        return trainers.BpeTrainer(
            vocab_size=pieces + 256,
            min_frequency=seen,
            special_tokens=[],
            initial_alphabet=alphabet,
            show_progress=False,
        )
    if kind == "bpe":
        return trainers.BpeTrainer(
            vocab_size=pieces,
            min_frequency=seen,
            special_tokens=[],
            limit_alphabet=_alphabet(pieces),
            show_progress=False,
        )
    return trainers.WordLevelTrainer(vocab_size=pieces, min_frequency=seen, special_tokens=[], show_progress=False)


def learn(lines: Sequence[str], kind: str, size: int, lowercase: bool, spaces: str, layout: Layout = REGARD) -> str:
    """The JSON of a tokenizer of at most ``size`` ids (0: as many as the data is worth) learnt from ``lines``."""
    pieces = (size or LARGEST) - fixed(kind, layout)
    seen = SEEN_TWICE if size or kind in ("character", "word") else SEEN_OFTEN
    if kind == "unigram" and not size:  # this kind cannot tell when a piece is too rare: take as many as BPE would
        trial = _blank("bpe", lowercase, spaces, layout)
        trial.train_from_iterator(lines, _trainer("bpe", pieces, seen))
        pieces = trial.get_vocab_size()
    library = _blank(kind, lowercase, spaces, layout)
    if kind == "unigram":
        kept = _alphabet(pieces)
        # Below the characters, <unk> and the space, this trainer would never end.
        trainer = _trainer(kind, max(pieces, kept + 3), seen)
        library.train_from_iterator(_without_rare_characters(lines, lowercase, kept), trainer)
        return _settle_unigram(library, lines, pieces, layout)
    if kind == "wordpiece":
        _train_word_pieces(library, list(_without_rare_characters(lines, lowercase, max(1, pieces // 3))), pieces, seen)
    else:
        library.train_from_iterator(lines, _trainer(kind, pieces, seen))
    described = json.loads(library.to_str())
    vocabulary: dict[str, int] = described["model"]["vocab"]
    names = sorted(vocabulary, key=vocabulary.__getitem__)
    return _write(described, names, kind, layout)


def _write(
    described: dict[str, Any], pieces: Sequence[str], kind: str, layout: Layout, scores: Sequence[float] = ()
) -> str:
    """The library's description with the layout's ids, the byte pieces and the templates put in."""
    if not pieces:
        got = f"text without any {kind} that occurs twice"
        raise DataError.because("tokenizer", got, "enough text to learn a vocabulary from", "add more lines")
    first, unknown = _specials(kind, layout)
    fallback = BYTE_PIECES if kind in ("bpe", "unigram") else ()
    names = [*first, *fallback, *pieces, *layout.last]
    model = described["model"]
    ids = {name: index for index, name in enumerate(names)}
    if kind == "unigram":
        lowest = min(scores, default=0.0)
        every = [*[0.0] * len(first), *[lowest] * len(fallback), *scores, *[0.0] * len(layout.last)]
        model = {"type": "Unigram", "unk_id": unknown and ids[unknown], "byte_fallback": True}
        model["vocab"] = [[name, score] for name, score in zip(names, every, strict=True)]
    else:
        model |= {"vocab": ids, "unk_token": unknown}
        if kind == "bpe":
            model["byte_fallback"] = True
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    described["model"] = model
    specials = (*first, *layout.last)
    described["added_tokens"] = [{"id": ids[name], "content": name, **flags} for name in specials]
    described["post_processor"] = layout.post_processor(ids)
    return json.dumps(described, ensure_ascii=False)


def _train_word_pieces(library: Library, lines: Sequence[str], pieces: int, seen: int) -> None:
    """Learn word pieces, the same from the same lines.

    The trainer numbers the characters within words as a hash table yields them, and the numbers break ties between
    merges; handed over as special tokens they have theirs from the beginning.
    """
    inner: set[str] = set()
    for line in lines:
        for word, _ in library.pre_tokenizer.pre_tokenize_str(library.normalizer.normalize_str(line)):
            inner.update(word[1:])
    trainer = trainers.WordPieceTrainer(
        vocab_size=pieces,
        min_frequency=seen,
        special_tokens=[CONTINUED + character for character in sorted(inner)],
        continuing_subword_prefix=CONTINUED,
        show_progress=False,
    )
    library.train_from_iterator(lines, trainer)


def _without_rare_characters(lines: Sequence[str], lowercase: bool, keep: int) -> Iterator[str]:
    """The lines with a space for all but the ``keep`` most frequent characters.

    The unigram trainer keeps every single character and never ends where there are more of them than pieces allowed.
    """

    def plain(line: str) -> str:
        return normalize("NFC", line.lower() if lowercase else line)

    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(plain(line))
    ordered = sorted(counts, key=lambda character: (-counts[character], character))
    rare = dict.fromkeys(map(ord, ordered[keep:]), " ")
    return (plain(line).translate(rare) if rare else plain(line) for line in lines)


def _settle_unigram(library: Library, lines: Sequence[str], pieces: int, layout: Layout) -> str:
    """The learnt pieces with scores estimated again, so that the same text always gives the same file.

    The library adds up probabilities in the order of a hash table that differs from process to process: the pieces
    come out the same, their scores only nearly. So keep the pieces and their scores to whole nats, and count, a few
    times over, how often each one occurs in the best segmentation: score = ln((count + 1/2) / total).
    """
    described = json.loads(library.to_str())
    found = {name: float(round(score)) for name, score in described["model"]["vocab"][:pieces]}
    names = sorted(found)
    scores = [found[name] for name in names]
    for _ in range(3):
        counts = _count_pieces(Library.from_str(_write(described, names, "unigram", layout, scores)), lines)
        begin = len(layout.first) + len(BYTE_PIECES)
        smooth = [count + 0.5 for count in counts[begin : begin + len(names)]]
        total = sum(smooth)
        scores = [round(math.log(count / total), 6) for count in smooth]
    order = sorted(range(len(names)), key=lambda row: (-scores[row], names[row]))
    return _write(described, [names[row] for row in order], "unigram", layout, [scores[row] for row in order])


def _count_pieces(library: Library, lines: Sequence[str]) -> list[int]:
    """How often each id occurs in the lines."""
    counts = [0] * library.get_vocab_size()
    stream = iter(lines)
    while chunk := list(islice(stream, 10_000)):
        for encoding in library.encode_batch_fast(chunk, add_special_tokens=False):
            for index in encoding.ids:
                counts[index] += 1
    return counts
