"""Public vocabularies in plain files: BERT's word pieces (vocab.txt) and byte-level BPE (vocab.json, merges.txt)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Library

from regard.data.plain_file import VOCABULARY_BYTES, read_plain
from regard.data.tokenizers.layout import LAYOUTS, Layout
from regard.data.tokenizers.tokenizer_kinds import CONTINUED
from regard.errors import CheckpointError

AGAIN = "download the file again"


def read_text(path: Path) -> str:
    """The text of a file. Raises CheckpointError where it cannot be read or is not UTF-8."""
    try:
        return read_plain(path, VOCABULARY_BYTES).decode("utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        got = "no readable file" if isinstance(error, OSError) else "bytes that are not UTF-8"
        raise CheckpointError.because(path, got, f"a {path.name} in UTF-8", AGAIN) from error


def read_vocabulary(path: Path) -> dict[str, int]:
    """A table of tokens and their ids. Raises CheckpointError where it is none, or has gaps."""
    try:
        table = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise CheckpointError.because(path, "damaged JSON", f"a whole {path.name}", AGAIN) from error
    if not isinstance(table, dict) or not all(type(index) is int for index in table.values()):
        raise CheckpointError.because(path, "no table of ids", "tokens with a number each", AGAIN)
    if not table or set(table.values()) != set(range(len(table))):
        raise CheckpointError.because(path, f"{len(table)} tokens whose ids have gaps", "ids from 0 on", AGAIN)
    return table


def read_word_pieces(path: Path, config: Mapping[str, Any]) -> Library:
    """BERT's tokenizer: a token a line, its id the number of the line (Devlin et al. 2019)."""
    lines = read_text(path).split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    vocabulary = {line: index for index, line in enumerate(lines)}
    layout = LAYOUTS["bert"]
    _check_specials(path, vocabulary, layout.specials[:-1])
    if len(vocabulary) < len(lines):
        raise CheckpointError.because(path, "a token twice", "every token once", AGAIN)
    library = Library(models.WordPiece(vocabulary, unk_token=layout.roles["unk"], continuing_subword_prefix=CONTINUED))
    library.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
        strip_accents=config.get("strip_accents"),
        lowercase=bool(config.get("do_lower_case", True)),
    )
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece(prefix=CONTINUED)
    return _with_specials(library, layout, [name for name in layout.specials if name in vocabulary])


def read_byte_level(folder: Path, config: Mapping[str, Any], model_type: str) -> Library:
    """The tokenizer of GPT-2 (Radford et al. 2019), RoBERTa and BART: merges of bytes, each shown as a character."""
    vocabulary = read_vocabulary(folder / "vocab.json")
    merges = _read_merges(folder / "merges.txt", vocabulary)
    library = Library(models.BPE(vocabulary, merges, fuse_unk=False))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=bool(config.get("add_prefix_space", False)))
    library.decoder = decoders.ByteLevel()
    wrapped = {"<s>", "<pad>", "</s>", "<unk>"} <= vocabulary.keys() and not model_type.startswith("gpt")
    layout = LAYOUTS["roberta" if wrapped else "gpt2"]
    _check_specials(folder / "vocab.json", vocabulary, layout.specials)
    _with_specials(library, layout, layout.specials, stripping="<mask>")
    if not wrapped and config.get("add_bos_token"):
        start = layout.roles["bos"]
        library.post_processor = processors.TemplateProcessing(
            single=f"{start} $A", pair=f"{start} $A $B:1", special_tokens=[(start, vocabulary[start])]
        )
    return library


def _read_merges(path: Path, vocabulary: Mapping[str, int]) -> list[tuple[str, str]]:
    merges: list[tuple[str, str]] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        left, _, right = line.rstrip().partition(" ")
        lacking = [name for name in (left, right, left + right) if name not in vocabulary]
        if lacking or not right:
            got = f"{line[:40]!r}, of which the vocabulary lacks {lacking[:1]}"
            raise CheckpointError.because(f"{path}:{number}", got, "two of its tokens that make a third", AGAIN)
        merges.append((left, right))
    return merges


def _check_specials(path: Path, vocabulary: Mapping[str, int], names: Sequence[str]) -> None:
    missing = [name for name in names if name not in vocabulary]
    if missing:
        raise CheckpointError.because(path, f"no {missing[0]}", "the special tokens " + " ".join(names), AGAIN)


def _with_specials(library: Library, layout: Layout, names: Sequence[str], stripping: str = "") -> Library:
    """The library with the layout's special tokens and templates. A mask takes the space in front of it along."""
    library.add_tokens([AddedToken(name, normalized=False, special=True, lstrip=name == stripping) for name in names])
    ids = {name: library.token_to_id(name) for name in names}
    described = json.loads(library.to_str())
    described["post_processor"] = layout.post_processor(
        {name: index for name, index in ids.items() if index is not None}
    )
    library.post_processor = Library.from_str(json.dumps(described)).post_processor
    return library
