from __future__ import annotations

import random

import pytest

from regard.data.tokenizers.layout import LAYOUTS
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.decoding.continuation import Continuation, continued

TEXTS = [
    "Ein Hund läuft über die Straße, und 你好 sagt die Katze — 🙂🙂!",
    "The dog runs. It didn't stop;\nthe cat says: “naïve façade” 日本語 🧑‍🚀.",
    "x = [1, 2, 3]  # two  spaces\n\ttabs",
]


class Bytes:
    """Every id is a byte."""

    @staticmethod
    def decode(ids):
        return bytes(ids).decode("utf-8", errors="replace")


def test_nothing_is_given_out_before_its_bytes_are_whole():
    reading = Continuation(Bytes.decode, b"a")
    assert [reading.add(byte) for byte in "é🙂z".encode()] == ["", "é", "", "", "", "🙂", "z"]
    assert reading.rest() == ""


def test_what_never_becomes_whole_comes_at_the_end():
    reading = Continuation(Bytes.decode, [])
    assert [reading.add(byte) for byte in b"a\xff\xe2\x82"] == ["a", "", "", ""]
    assert reading.rest() == "\ufffd\ufffd"
    assert continued(Bytes.decode, [], b"a\xff\xe2\x82") == "a\ufffd\ufffd"
    assert continued(Bytes.decode, [], b"\xffa") == "\ufffda"


@pytest.mark.parametrize(
    ("kind", "layout"), [("byte", "gpt2"), ("bpe", "gpt2"), ("bpe", "llama"), ("bpe", "regard"), ("unigram", "t5")]
)
def test_a_text_cut_anywhere_goes_on_as_it_was(kind, layout):
    tokenizer = train_tokenizer(TEXTS * 3, TokenizerSettings(kind=kind, spaces="keep", size=420), LAYOUTS[layout])
    for text in TEXTS:
        ids = tokenizer.encode(text)
        whole = tokenizer.decode(ids)
        for cut in {0, 1, len(ids) // 2, len(ids) - 1}:
            begun = tokenizer.decode(ids[:cut])
            if "\ufffd" in begun:  # no user writes half a character
                continue
            added = continued(tokenizer.decode, ids[:cut], ids[cut:])
            assert begun + added == whole
            assert "\ufffd" not in added


def test_random_tokens_give_what_decoding_them_at_once_gives():
    for _ in range(200):
        ids = random.choices(range(256), k=12)
        assert continued(Bytes.decode, [], ids) == Bytes.decode(ids)


def test_of_a_long_text_only_the_end_is_decoded_again():
    lengths = []

    def decode(ids):
        lengths.append(len(ids))
        return Bytes.decode(ids)

    assert continued(decode, b"begin", b"x" * 500) == "x" * 500
    assert max(lengths[4:]) <= 2
