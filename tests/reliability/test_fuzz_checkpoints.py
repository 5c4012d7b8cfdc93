"""Damaged bytes in every file that a model comes in: our own errors come out, or a model, and nothing else.

The short form of benchmarks/fuzz.py, which does the same a hundred thousand times with limits of memory and time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from regard.data.tokenizers.library_faults import library_faults
from regard.data.tokenizers.public_tokenizer import open_tokenizer
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.errors import CheckpointError, RegardError
from regard.runs.checkpoints.weight_files import header, read_weights
from regard.runs.folder import load, look_at
from regard.runs.journal import read_journal

TRIED = ("A dog runs.", "", "</s> 가 😀\n")
few = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

numbers = st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, 10**30, 0.5, float("nan"), float("inf")])
odd = st.one_of(
    numbers,
    st.sampled_from(["", "512", "../x", "\x00", "\ud800", "</s>", "x" * 2000]),
    st.sampled_from([None, True, [], {}, [[]], {"": None}]),
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes cut, with more behind, with some of them others, or with a part of them put elsewhere."""
    place, other = (draw(st.integers(0, len(whole))) for _ in range(2))
    few_bytes = draw(st.binary(min_size=1, max_size=9))
    return draw(
        st.sampled_from(
            [
                whole[:place],
                whole[:place] + few_bytes + whole[place + len(few_bytes) :],
                whole[:place] + few_bytes + whole[place:],
                whole + few_bytes,
                whole[:place] + whole[other:],
            ]
        )
    )


@st.composite
def edited(draw: st.DrawFn, whole: bytes) -> bytes:
    """A JSON text with a value, a key or an entry other than it was, somewhere inside."""
    table = json.loads(whole)
    inside: Any = table
    while True:
        if not isinstance(inside, dict | list) or not inside:
            return json.dumps(draw(odd)).encode("utf-8", "surrogatepass")  # the whole was nothing to go into
        places = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        place = draw(st.sampled_from(places))
        below = inside[place]
        if isinstance(below, dict | list) and below and draw(st.integers(0, 9)):
            inside = below
            continue
        if draw(st.integers(0, 4)):
            inside[place] = draw(odd)
        else:
            del inside[place]
        return json.dumps(table).encode("utf-8", "surrogatepass")


def tried(read: Callable[[], object]) -> None:
    with suppress(RegardError):
        read()


def use(tokenizer: Tokenizer) -> None:
    for text in TRIED:
        ids = tokenizer.encode(text)
        assert all(0 <= index < tokenizer.size for index in ids)
        tokenizer.decode(tokenizer.wrap(ids, ids).ids)
        tokenizer.encode_marked(text)
        tokenizer.spans(text)


@few
@given(st.data())
def test_damaged_weights_are_read_or_refused(tmp_path, data):
    whole = save({"a": torch.arange(3.0), "b": torch.ones(2, 2, dtype=torch.int64)})
    (tmp_path / "model.safetensors").write_bytes(data.draw(damaged(whole)))
    tried(lambda: read_weights(tmp_path))


@few
@given(st.data())
def test_damaged_headers_are_read_or_refused(tmp_path, data):
    whole = save({"a": torch.arange(3.0), "b": torch.ones(2, 2, dtype=torch.int64)})
    length = int.from_bytes(whole[:8], "little")
    text = data.draw(edited(whole[8 : 8 + length]))
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + length :])
    try:
        declared = header(tmp_path)
    except CheckpointError:
        return
    read = read_weights(tmp_path)  # what the header passes, the numbers must fill
    assert {name: list(tensor.shape) for name, tensor in read.items()} == {
        name: one[1] for name, one in declared.items()
    }


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
@few
@given(data=st.data())
def test_damaged_pickles_are_read_or_refused(tmp_path, new, data):
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": torch.arange(3.0), "b": torch.ones(2, 2)}, path, _use_new_zipfile_serialization=new)
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    tried(lambda: read_weights(tmp_path))


@few
@given(st.data())
def test_damaged_indices_are_read_or_refused(tmp_path, data):
    (tmp_path / "part.safetensors").write_bytes(save({"a": torch.ones(2)}))
    whole = json.dumps({"metadata": {"total_size": 8}, "weight_map": {"a": "part.safetensors"}}).encode()
    index = tmp_path / "model.safetensors.index.json"
    index.write_bytes(data.draw(st.one_of(damaged(whole), edited(whole))))
    tried(lambda: read_weights(tmp_path))


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "manifest.json", "tokenizer_config.json"])
@few
@given(data=st.data())
def test_damaged_settings_of_a_run_are_read_or_refused(finished_run, tmp_path_factory, name, data):
    folder = tmp_path_factory.mktemp("run")
    for path in (path for path in finished_run.iterdir() if path.is_file()):
        shutil.copyfile(path, folder / path.name)
    (folder / name).write_bytes(data.draw(edited((finished_run / name).read_bytes())))
    tried(lambda: look_at(folder))
    shutil.rmtree(folder)


@few
@given(st.data())
def test_damaged_tokenizers_are_used_or_refused(finished_run, tmp_path, data):
    whole = (finished_run / "tokenizer.json").read_bytes()
    (tmp_path / "tokenizer.json").write_bytes(data.draw(st.one_of(damaged(whole), edited(whole))))
    tried(lambda: use(open_tokenizer(tmp_path)[0]))


@few
@given(st.data())
def test_damaged_journals_are_read_or_refused(tmp_path, data):
    whole = b'{"step": 1, "loss": 2.5, "seconds": 0.1}\n{"step": 2, "loss": 2.4, "seconds": 0.2}\n'
    (tmp_path / "metrics.jsonl").write_bytes(data.draw(damaged(whole)))
    tried(lambda: read_journal(tmp_path / "metrics.jsonl"))


# What fuzzing has found ----------------------------------------------------------------------------------------------


def without_a_name(table: dict[str, Any]) -> None:
    specials = table["post_processor"]["special_tokens"]
    specials["other"] = specials.pop("</s>")


def without_an_unknown(table: dict[str, Any]) -> None:
    pieces = [[piece, 0.0] for piece in sorted(table["model"]["vocab"], key=table["model"]["vocab"].__getitem__)]
    table["model"] = {"type": "Unigram", "unk_id": None, "vocab": pieces, "byte_fallback": False}
    table["pre_tokenizer"] = None


@pytest.mark.parametrize(
    ("spoil", "says"), [(without_a_name, "no entry found for key"), (without_an_unknown, "unknown token")]
)
def test_what_only_fails_in_use_is_refused_when_it_is_read(finished_run, tmp_path, capfd, spoil, says):
    """A panic of the library is no Exception."""
    table = json.loads((finished_run / "tokenizer.json").read_text(encoding="utf-8"))
    spoil(table)
    (tmp_path / "tokenizer.json").write_text(json.dumps(table), encoding="utf-8")
    expected = (
        rf"tokenizer: got one that the library cannot use \(.*{says}.*\); expected a whole tokenizer; restore its"
    )
    with pytest.raises(CheckpointError, match=expected):
        open_tokenizer(tmp_path)


class PanicException(BaseException):
    """By the name of the library's own, which cannot be imported."""


@pytest.mark.parametrize(("kind", "raised"), [(PanicException, CheckpointError), (KeyboardInterrupt,) * 2])
def test_a_panic_while_a_file_is_parsed_is_damage_too(finished_run, monkeypatch, kind, raised):
    class Library:
        @staticmethod
        def from_str(text: str) -> None:
            raise kind("as it was")

    monkeypatch.setattr("regard.data.tokenizers.tokenizer.Library", Library)
    with pytest.raises(raised, match=r"got damaged JSON; expected a whole tokenizer.json; restore|^as it was$"):
        Tokenizer.load(finished_run / "tokenizer.json")


def test_half_a_character_in_a_vocabulary_is_refused(tmp_path):
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]
    (tmp_path / "vocab.txt").write_text("\n".join(names), encoding="utf-8")
    (tmp_path / "added_tokens.json").write_text(json.dumps({"\ud800": len(names)}))
    with pytest.raises(CheckpointError, match=r"got one that the library cannot use \(.*surrogates not allowed"):
        open_tokenizer(tmp_path)


def test_a_keyboard_interrupt_is_no_fault_of_the_library():
    for kind in (KeyboardInterrupt, SystemExit):
        with pytest.raises(kind), library_faults():
            raise kind
    with pytest.raises(RegardError, match=r"^as it was$"), library_faults():
        raise RegardError("as it was")


def test_an_odd_escape_in_a_pickle_is_refused_without_a_warning(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:15] + b"\x80\x02S'\\<'\n." + whole[15:])
    with pytest.raises(CheckpointError, match="got the pickle opcode STRING; expected a dictionary of dense tensors"):
        read_weights(tmp_path)


def test_a_length_in_a_legacy_pickle_asks_for_no_more_than_the_file_has(tmp_path):
    """LONG4 with 2³¹ − 1 bytes: a plain read would make room for them first."""
    import tracemalloc

    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:15] + b"\x80\x02\x8b\xff\xff\xff\x7f" + whole[22:])
    tracemalloc.start()
    with pytest.raises(CheckpointError, match=r"expected a whole file of torch.save; use a whole copy"):
        read_weights(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 22


def test_the_whole_files_are_read(finished_run):
    """So that the refusals above are of the damage."""
    assert load(finished_run).parameters > 0
    use(open_tokenizer(finished_run)[0])
