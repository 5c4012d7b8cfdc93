"""A model that describes pictures, as a user trains and uses one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.runs.pictures import describe, draw

import regard
from regard.data.languages import languages_of, tag_of
from regard.errors import DataError, SettingError

SMALL = (
    "family=captioner model.image_size=16 model.depths=[1,1] model.widths=[8,16] model.stem_width=8 model.d_model=24 "
    "model.d_embedding=16 model.dropout=0 images.batch=16 images.augment.flip=0 tokenizer.size=300 decode.beam=2 "
    "decode.max_extra=12 train.learning_rate=0.01 train.threads=1 train.precision=float32 data.bleu_sentences=4"
).split()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = draw(tmp_path_factory.mktemp("pictures"), 80, size=16)
    describe(folder)
    return folder


@pytest.fixture(scope="module")
def run(command, pictures, tmp_path_factory) -> Path:
    """A model that has learnt to say what is bright, in two languages."""
    folder = tmp_path_factory.mktemp("run") / "run"
    words = ["--images", pictures / "captions.jsonl", "data.language_column=language", *SMALL]
    ended = command("train", *words, "train.steps=200", "train.save_every=100", "--out", folder)
    assert ended.code == 0, ended.err
    return folder


def said(command, *words) -> list[tuple[str, str]]:
    ended = command("caption", *words)
    assert ended.code == 0, ended.err
    return [(text, Path(file).parent.name) for text, file in (line.split("\t") for line in ended.out.splitlines())]


@pytest.mark.parametrize(
    ("language", "right"),
    [
        ("en", {"top": "the top is bright", "bottom": "the bottom is bright"}),
        ("de", {"top": "oben ist es hell", "bottom": "unten ist es hell"}),
    ],
)
def test_it_describes_new_pictures_in_the_language_that_is_asked_for(run, command, tmp_path, language, right):
    new = draw(tmp_path / "new", 20, size=16, seed=9)
    found = said(command, run, new, "--language", language)
    assert len(found) == 20
    assert sum(text == right[name] for text, name in found) >= 18


def test_its_scores_are_told_where_it_ends(run):
    card = (run / "README.md").read_text(encoding="utf-8")
    assert "exact match" in card.lower()
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "oben ist es hell" in report


def test_several_captions_of_each_come_with_their_scores_best_first(run, command, pictures):
    ended = command("caption", run, pictures / "top" / "001.png", "--language", "en", "--n-best", 2, "--json")
    (table,) = map(json.loads, ended.out.splitlines())
    scores = [one["score"] for one in table["captions"]]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)
    assert table["captions"][0]["text"] == "the top is bright"


@pytest.mark.parametrize("size", [1, 2, 5])
def test_batches_do_not_change_a_caption(run, pictures, monkeypatch, size):
    files = sorted(pictures.rglob("*.png"))[:7]
    model = regard.load(run)
    whole = [one.n_best[0] for one in model.captioner.caption(files, model.decoding, "en")]
    monkeypatch.setattr("regard.decoding.captioner.BATCH", size)
    again = [one.n_best[0] for one in model.captioner.caption(files, model.decoding, "en")]
    assert [one.ids for one in again] == [one.ids for one in whole]
    assert [one.score for one in again] == pytest.approx([one.score for one in whole], abs=1e-5)


def test_python_takes_opened_pictures(run, pictures):
    model = regard.load(run)
    with Image.open(pictures / "bottom" / "000.png") as opened:
        assert model.caption([opened], language="de", beam=1) == ["unten ist es hell"]


def test_a_model_of_one_language_needs_no_tag(command, pictures, tmp_path):
    table = tmp_path / "captions.tsv"
    rows = [f"{file}\t{file.parent.name} side\n" for file in sorted(pictures.rglob("*.png"))]
    table.write_text("image\tcaption\n" + "".join(rows), encoding="utf-8")
    words = ["--images", table, "data.text_column=caption", *SMALL, "train.steps=3", "--out", tmp_path / "run"]
    ended = command("train", *words)
    assert ended.code == 0, ended.err
    model = regard.load(tmp_path / "run")
    assert languages_of(model.target_tokenizer) == {}
    assert len(said(command, tmp_path / "run", pictures / "top")) == 40
    told = command("caption", tmp_path / "run", pictures / "top", "--language", "en")
    assert told.code == 2
    assert "--language: got 'en'; expected one that the model learnt (none: the model writes one language)" in told.err


def test_a_picture_is_held_out_with_all_of_its_captions(run):
    texts = json.loads((run / "data" / "valid.json").read_text(encoding="utf-8"))
    files = [file for file, *_ in texts]
    assert len(files) == 2 * len(set(files))


# What goes wrong -----------------------------------------------------------------------------------------------------


def refused(command, *words) -> str:
    ended = command(*words)
    assert ended.code == 2, ended.err
    return ended.err


def test_a_language_that_was_not_learnt_is_named(run, command, pictures):
    file = pictures / "top" / "001.png"
    for words in (["--language", "fr"], []):
        told = refused(command, "caption", run, file, *words)
        assert "expected one that the model learnt (de, en); name one of these." in told


def test_no_language_is_called_so():
    with pytest.raises(
        DataError, match=r"language: got 'a b'; expected letters and digits, such as de or pt-br; check"
    ):
        tag_of("a b")


def test_b17_what_is_amiss_in_a_table_of_captions_is_named(command, pictures, tmp_path):
    rest = [*SMALL, "--out", tmp_path / "run"]
    told = refused(command, "train", "--images", pictures, *rest)
    assert "got a folder; expected a table with a picture and a caption in every row; write one, as JSON lines" in told
    one = tmp_path / "one.jsonl"
    one.write_text(json.dumps({"image": str(pictures / "top" / "001.png"), "text": "a"}) + "\n")
    told = refused(command, "train", "--images", one, *rest)
    assert "got 1 captions; expected pictures to train and to measure on; check the table." in told
    valid = tmp_path / "valid.jsonl"
    row = {"image": str(pictures / "top" / "001.png"), "text": "a", "language": "fr"}
    valid.write_text(json.dumps(row) + "\n")
    words = ["--images", pictures / "captions.jsonl", "--valid-images", valid, "data.language_column=language"]
    told = refused(command, "train", *words, *rest)
    assert "got 'fr', a validation language; expected one of those trained on; leave it out, or add some" in told


def test_a_model_of_other_things_describes_nothing(finished_run, run, command, pictures):
    told = refused(command, "caption", finished_run, pictures / "top")
    assert "expected one that can caption" in told
    assert "expected one that can translate" in refused(command, "translate", run)
    with pytest.raises(SettingError, match="expected one that the model learnt"):
        regard.load(run).caption([pictures / "top" / "001.png"], language="xx")
