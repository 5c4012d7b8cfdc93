"""``regard demo``: the corpus alone, and what the whole demo prints."""

from __future__ import annotations

from regard.data.builtin import sample


def test_the_corpus_alone_is_the_built_in_data(command, tmp_path):
    ended = command("demo", "--data-only", tmp_path / "a" / "toy")
    assert (ended.code, ended.out) == (0, f"{tmp_path / 'a' / 'toy'}\n")
    found = {path.name: path.read_text(encoding="utf-8").splitlines() for path in (tmp_path / "a" / "toy").iterdir()}
    assert set(found) == {f"{split}.{ending}" for split in ("train", "valid", "test") for ending in ("en", "de")}
    for split, pairs in sample.splits().items():
        assert found[f"{split}.en"] == [pair.english for pair in pairs]
        assert found[f"{split}.de"] == [pair.german for pair in pairs]
    assert command("demo", "--data-only", tmp_path / "a" / "toy").code == 0, "the same again does no harm"
