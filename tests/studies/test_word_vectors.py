from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from regard.data.builtin import lexicon
from regard.errors import CheckpointError, DataError, SettingError
from regard.studies.word_vectors.agreement import chance, flattened, near_words, only, same_class, shared
from regard.studies.word_vectors.classes import classes
from regard.studies.word_vectors.corpus import WordVectors, read
from regard.studies.word_vectors.counts import cooccurrence, ppmi
from regard.studies.word_vectors.skipgram import SkipGram, skip_gram
from regard.studies.word_vectors.stored import of_run, of_tensor

RANDOM = np.random.default_rng(3)
ALPHABET = "a b c d e f g h".split()
TEXTS = [list(RANDOM.choice(ALPHABET, size=RANDOM.integers(1, 9))) for _ in range(60)]


def two_worlds(lines: int = 400) -> list[list[str]]:
    """Animals that eat and cars that drive: within a world, words of one place can be exchanged."""
    draw = np.random.default_rng(5)
    worlds = (
        (["dog", "cat", "cow"], ["eats", "bites"], ["grass", "meat"]),
        (["car", "bus"], ["drives", "stops"], ["there", "here"]),
    )
    return [[str(draw.choice(place)) for place in worlds[line % 2]] for line in range(lines)]


# The corpus and its counts -------------------------------------------------------------------------------------------


def test_words_stand_by_frequency_and_rare_ones_are_as_if_they_were_not_there():
    corpus = read([["b", "rare", "a"], ["b", *"cdefgh"], [*"acdefgh", "b"]], least_count=2)
    assert corpus.words == ("b", "a", "c", "d", "e", "f", "g", "h")
    assert corpus.counts.tolist() == [3, 2, 2, 2, 2, 2, 2, 2]
    assert corpus.ids[:3].tolist() == [0, 1, 0]
    assert corpus.sentences[:3].tolist() == [0, 0, 1]
    assert read(TEXTS, most_words=8, least_count=1).words == read(TEXTS, least_count=1).words


@pytest.mark.parametrize("window", [1, 2, 5])
def test_counts_are_those_of_a_slow_twin(window: int):
    corpus = read(TEXTS, least_count=1)
    slow = np.zeros((8, 8), dtype=int)
    for text in TEXTS:
        numbers = [corpus.words.index(word) for word in text]
        for here, word in enumerate(numbers):
            for there, other in enumerate(numbers):
                slow[word, other] += 0 < abs(here - there) <= window
    np.testing.assert_array_equal(cooccurrence(corpus, window), slow)


def test_ppmi_is_that_of_arithmetic_by_hand():
    """Of 8 pairs, a and b stand together 3 + 3 times, b with itself twice; P(a) = 3/8, P(b) = 5/8."""
    table = ppmi(np.array([[0, 3], [3, 2]]), smoothing=1.0)
    expected = math.log((3 / 8) / (3 / 8 * 5 / 8))
    np.testing.assert_allclose(table, [[0, expected], [expected, 0]])  # b with b comes less often than by chance
    smoothed = ppmi(np.array([[0, 3], [3, 2]]), smoothing=0.5)
    rare = math.sqrt(3) / (math.sqrt(3) + math.sqrt(5))
    assert smoothed[1, 0] == pytest.approx(math.log((3 / 8) / (5 / 8 * rare)))


def test_words_that_are_independent_have_no_mutual_information():
    assert ppmi(np.outer([1, 2, 3], [1, 2, 3]), smoothing=1.0) == pytest.approx(0, abs=1e-12)


def test_a_text_of_few_words_is_refused():
    with pytest.raises(DataError, match=r"^text: got 2 frequent words; expected at least 8 that occur 5 times; give a"):
        read([["a", "b", "c"], *[["a", "b"]] * 9])


# Learning ------------------------------------------------------------------------------------------------------------

LEARNING = SkipGram(dimensions=8, window=2, epochs=40, batch=128, subsample=1.0)


def test_words_that_can_be_exchanged_become_neighbours():
    corpus = read(two_worlds())
    vectors = WordVectors("learned", corpus.words, skip_gram(corpus, LEARNING, 1))
    groups = [("dog", "cat", "cow"), ("car", "bus"), ("eats", "bites"), ("drives", "stops")]
    kinds = {word: "-".join(group) for group in groups for word in group}
    assert same_class(vectors, kinds).mean() == 1


def test_the_same_seed_learns_the_same_and_leaves_the_chance_of_others_alone():
    corpus = read(two_worlds(60))
    short = SkipGram(dimensions=4, epochs=2)
    torch.manual_seed(9)
    before = torch.get_rng_state()
    first = skip_gram(corpus, short, 1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    np.testing.assert_array_equal(skip_gram(corpus, short, 1), first)
    assert np.abs(skip_gram(corpus, short, 2) - first).max() > 1e-3
    assert first.shape == (len(corpus.words), 4)


@pytest.mark.parametrize("name", ["subsample", "learning_rate"])
def test_nothing_is_learned_with_nothing(name: str):
    with pytest.raises(SettingError, match=rf"^{name}: got 0; expected a number above nothing; use the default"):
        SkipGram(**{name: 0.0})


# Classes and agreement -----------------------------------------------------------------------------------------------


def test_classes_are_the_lexicons_tables():
    kinds = classes()
    assert all(kinds[noun.english] == "animal" for noun in lexicon.ANIMALS)
    expected = {"mice": "animal", "children": "person", "door": "thing", "roof": "place", "climbed": "moving"}
    expected |= {"slept": "resting", "thirsty": "feeling", "swampy": "quality", "red": "look", "knew": "saying"}
    assert {word: kinds[word] for word in expected} == expected
    assert "the" not in kinds
    assert "" not in kinds


WORDS = ("a", "b", "c", "d")
LINE = WordVectors("line", WORDS, np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], dtype=float))


def test_the_share_of_neighbours_of_the_same_class_is_that_of_arithmetic_by_hand():
    assert near_words(LINE, [0, 2], 1).tolist() == [[1], [3]]
    assert same_class(LINE, {"a": "x", "b": "x", "c": "y", "d": "y"}).tolist() == [1, 1, 1, 1]
    assert same_class(LINE, {"a": "x", "b": "x", "c": "y"}).tolist() == [1, 1, 0]  # d has no class
    assert same_class(LINE, {"a": "x", "b": "x", "c": "x", "d": "y"}, k=3).tolist() == pytest.approx([2 / 3] * 3 + [0])


def test_chance_is_what_random_vectors_reach():
    kinds = {"a": "x", "b": "x", "c": "x"}
    assert chance(WORDS, kinds) == pytest.approx(2 / 3)  # two of the three others
    words = tuple(f"w{number}" for number in range(30))
    kinds = {word: str(number % 3) for number, word in enumerate(words)}
    found = [same_class(WordVectors("", words, RANDOM.normal(size=(30, 5))), kinds).mean() for _ in range(200)]
    assert np.mean(found) == pytest.approx(chance(words, kinds), abs=0.03)


def test_vectors_share_all_neighbours_with_themselves_turned_around():
    turn = np.array([[0, 1], [-1, 0]])
    assert shared(LINE, WordVectors("turned", WORDS, LINE.matrix @ turn), 2).tolist() == [1, 1, 1, 1]
    swapped = WordVectors("swapped", WORDS, LINE.matrix[[0, 2, 1, 3]])
    assert shared(LINE, swapped, 1).tolist() == [0, 0, 0, 0]


def test_the_vectors_of_some_words_stand_in_the_order_asked_for():
    np.testing.assert_array_equal(only(LINE, ("c", "a")).matrix, [[0, 1], [1, 0]])


def test_a_map_by_pca_is_the_first_two_singular_vectors():
    matrix = RANDOM.normal(size=(20, 6))
    points, seen = flattened(matrix, "PCA", 1)
    rows = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    _, values, axes = np.linalg.svd(rows - rows.mean(0))
    np.testing.assert_allclose(np.abs(points), np.abs((rows - rows.mean(0)) @ axes[:2].T), atol=1e-12)
    assert seen == pytest.approx((values[:2] ** 2).sum() / (values**2).sum())


@pytest.mark.parametrize("kind", ["PCA", "t-SNE"])
def test_vectors_that_are_all_the_same_lie_on_one_place(kind: str):
    points, seen = flattened(np.ones((9, 3)), kind, 1)
    assert (points == 0).all()
    assert seen is None


def test_a_map_by_t_sne_keeps_groups_together():
    centres = np.repeat(10 * np.eye(4)[:2], 8, axis=0)
    points, seen = flattened(centres + RANDOM.normal(size=(16, 4)) / 5, "t-SNE", 1)
    inside = max(np.ptp(group, axis=0).max() for group in (points[:8], points[8:]))
    assert np.linalg.norm(points[:8].mean(0) - points[8:].mean(0)) > inside
    assert seen is None


# Out of a trained model ----------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Path:
    tokenizer = Tokenizer(WordLevel({"dog": 0, "cat": 1, "street": 2}, unk_token="dog"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    weights = {"model.shared.weight": torch.arange(12.0).reshape(3, 4), "other.weight": torch.zeros(2, 4)}
    save_file(weights, tmp_path / "model.safetensors")
    return tmp_path


def test_a_runs_vectors_are_the_rows_of_its_embeddings(run: Path):
    found = of_run(run, ["street", "cat", "dog cat", "horse"])
    assert found.words == ("street", "cat")  # then two pieces, and one that is unknown
    np.testing.assert_array_equal(found.matrix, [[8, 9, 10, 11], [4, 5, 6, 7]])
    np.testing.assert_array_equal(of_run(run, ["cat"], "other.weight").matrix, [[0, 0, 0, 0]])


def test_what_is_no_run_or_no_embedding_is_refused(run: Path):
    with pytest.raises(CheckpointError, match=r"tokenizer.json: got no such file; expected a tokenizer.json; name the"):
        of_run(run / "nowhere", ["cat"])
    with pytest.raises(CheckpointError, match=r"got no tensor 'lost'; expected one of model.shared.weight; name it by"):
        of_run(run, ["cat"], "lost")
    with pytest.raises(CheckpointError, match=r"^other.weight: got 2×4; expected a row for each piece; name another"):
        of_tensor(run / "model.safetensors", "other.weight", {"street": 2})
    (run / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match=r"expected weights as safetensors; name the folder of a run"):
        of_run(run, ["cat"])


def test_two_matrices_that_may_be_the_embeddings_must_be_told_apart(run: Path):
    save_file({name: torch.zeros(3, 2) for name in ("a.shared.weight", "b.wte.weight")}, run / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"got 2 tensors that may be the embeddings; expected one of a.shared"):
        of_run(run, ["cat"])
    assert of_run(run, ["cat"], "b.wte.weight").matrix.shape == (1, 2)
