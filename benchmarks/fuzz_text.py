"""One input each for the readers of texts, recipes and tokenizers, for ``fuzz.py`` and for the tests.

Each function takes an input, checks what must be true of it, and returns or raises a RegardError: anything else that
comes out is a fault of ours.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from unicodedata import normalize

from regard.config import merge, parse_overrides, read_toml
from regard.data.corpus import UNITS, read_documents, read_lines, read_pairs, read_table
from regard.data.in_step import InStep
from regard.data.lines import BAD_TEXT, count_lines, is_whole
from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
from regard.data.tokenizers.tokenizer_kinds import KINDS
from regard.errors import RegardError
from regard.runs.recipe import recipe_from

SUFFIXES = (".txt", ".tsv", ".jsonl", ".txt.gz", ".tsv.gz", ".jsonl.gz")
SPELL_ALL = ("bpe", "unigram", "byte")  # kinds in which every text comes back
LINES = ["A dog runs.", "Ein Hund läuft 2016.", "</s> <pad> <0x41>", "안녕하세요 세계", "שלום 👩‍👩‍👧", "x  y"] * 20


def fuzz_corpus(data: bytes) -> None:
    """These bytes as a file of every kind, read in every way; a line more or less than were counted is a fault.

    Raises the RegardError of the last way that was refused.
    """
    refusals: list[RegardError] = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in SUFFIXES:
            path = Path(folder, f"corpus{suffix}")
            path.write_bytes(data)
            for bad_text in BAD_TEXT:
                for read in _ways(path, bad_text):
                    _tried(refusals, read)
        other = Path(folder, "other.txt")
        other.write_bytes(b"one\ntwo\nthree\n")
        _tried(refusals, lambda: _watched(Path(folder, "corpus.txt"), other))
    if refusals:
        raise refusals[-1]


def _ways(path: Path, bad_text: str) -> Iterator[Callable[[], object]]:
    """Every way to read a file."""
    yield partial(_count_and_read, path, bad_text)
    yield lambda: _drained(read_pairs(path, path, bad_text=bad_text))
    yield lambda: _drained(read_table(path, ["text", "label"], bad_text=bad_text))
    yield lambda: _drained(read_table(path, [1, 2], bad_text=bad_text))
    for unit in UNITS:
        yield lambda unit=unit: _drained(read_documents(path, unit, bad_text=bad_text))


def _count_and_read(path: Path, bad_text: str) -> None:
    texts = list(read_lines(path, bad_text=bad_text))
    assert len(texts) == count_lines(path), "lines read and lines counted"
    assert bad_text == "drop" or all(map(is_whole, texts)), "half a surrogate pair out of a file"
    assert not any("\n" in text for text in texts) or path.name.endswith((".jsonl", ".jsonl.gz")), "a line of two"


def _watched(source: Path, target: Path) -> None:
    in_step = InStep()
    _drained(in_step.watch(read_pairs(source, target)))
    in_step.note(source, target)


def _drained(found: Iterable[object]) -> None:
    for _ in found:
        pass


def _tried(refusals: list[RegardError], read: Callable[[], object]) -> None:
    try:
        read()
    except RegardError as error:
        refusals[:] = [type(error)(str(error))]  # without its frames, which would keep files open


def fuzz_recipe(text: str) -> None:
    """This text as a recipe, and its lines as settings of the command line; what is accepted is written and read alike.

    Raises the RegardError of the last way that was refused.
    """
    refusals: list[RegardError] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "recipe.toml")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        _tried(refusals, lambda: _settled(read_toml(path)))
    _tried(refusals, lambda: _settled(parse_overrides(text.split("\n"))))
    if refusals:
        raise refusals[-1]


def _settled(table: dict[str, object]) -> None:
    recipe = recipe_from(merge({}, table))
    again = recipe_from(tomllib.loads(recipe.to_toml()))
    assert again == recipe, "a recipe that is read as it was written"


def fuzz_tokenizer(text: str) -> None:
    """This text through a tokenizer of every kind: no special ids, and out again as it went in, normalised.

    Raises DataError where it is no Unicode.
    """
    for kind in KINDS:
        tokenizer = _tokenizer(kind)
        ids = tokenizer.encode(text)
        assert not tokenizer.specials & set(ids) - {tokenizer.unk}, f"{kind}: a special token out of a user's text"
        assert all(0 <= index < tokenizer.size for index in ids), f"{kind}: an id that is none"
        assert tokenizer.encode(normalize("NFD", text)) == tokenizer.encode(normalize("NFC", text)), f"{kind}: NFD"
        back = tokenizer.decode(ids)
        if kind in SPELL_ALL:
            assert tokenizer.unk not in ids, f"{kind}: unknown, though it can spell everything"
            expected = normalize("NFC", text)
            assert back == (expected if kind == "byte" else expected.replace("▁", " ")), f"{kind}: {back!r}"
        tokenizer.pieces(text)
        tokenizer.spans(text)
        tokenizer.encode_marked(text)


@cache
def _tokenizer(kind: str) -> Tokenizer:
    return train_tokenizer(LINES, TokenizerSettings(kind=kind, spaces="keep"))
