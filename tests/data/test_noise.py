from __future__ import annotations

import math
from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from regard.config import build
from regard.data import noise as module
from regard.data.batching import IGNORED
from regard.data.noise import (
    InfillNoise,
    Masking,
    Pieces,
    SpanNoise,
    infill,
    leave_out_spans,
    longest_uncut,
    mask_tokens,
    numpy_chance,
    permute_sentences,
    span_mask,
)
from regard.errors import SettingError

V, PAD, CLS, SEP, MASK = 50, 0, 1, 2, 3
FIRST = 4  # of the ids that are no specials


def pieces(starts: list[int] | None = None) -> Pieces:
    special = np.arange(V) < FIRST
    return Pieces(MASK, special, None if starts is None else np.isin(np.arange(V), starts))


def texts(rows: int, width: int) -> torch.Tensor:
    """[CLS] … [SEP] and padding, of different lengths."""
    ids = torch.randint(FIRST, V, (rows, width))
    ids[:, 0] = CLS
    lengths = torch.randint(width // 2, width, (rows,))
    ids[torch.arange(rows), lengths] = SEP
    return ids.masked_fill(torch.arange(width) > lengths[:, None], PAD)


# --- masked token


def test_a_share_is_chosen_and_of_these_most_are_masked_some_swapped_and_some_kept() -> None:
    ids = texts(1000, 80)
    batch = mask_tokens(ids, pieces(), Masking())
    chosen = batch.labels != IGNORED
    real = int((ids >= FIRST).sum())
    assert int(chosen.sum()) == batch.target_tokens == pytest.approx(0.15 * real, abs=4 * math.sqrt(0.25 * 1000))
    n = batch.target_tokens
    masked, kept = (int((chosen & same).sum()) for same in (batch.ids == MASK, batch.ids == ids))
    assert masked == pytest.approx(0.8 * n, abs=4 * math.sqrt(0.16 * n))
    swapped_to_itself = 0.1 / (V - FIRST)
    assert kept == pytest.approx((0.1 + swapped_to_itself) * n, abs=4 * math.sqrt(0.09 * n))
    others = Counter(batch.ids[chosen & (batch.ids != MASK) & (batch.ids != ids)].tolist())
    assert set(others) == set(range(FIRST, V))  # every piece, no special


def test_a_label_is_what_was_there_and_the_rest_stays_as_it_was() -> None:
    ids = texts(100, 40)
    ids[:, 5] = MASK
    before = ids.clone()
    batch = mask_tokens(ids, pieces(), Masking())
    assert torch.equal(ids, before)
    chosen = batch.labels != IGNORED
    assert torch.equal(batch.labels[chosen], ids[chosen])
    assert torch.equal(batch.ids[~chosen], ids[~chosen])
    assert not chosen[ids < FIRST].any()
    assert batch.texts is None


@pytest.mark.parametrize(("mask", "random"), [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_the_shares_are_settings(mask: float, random: float) -> None:
    ids = texts(50, 40)
    batch = mask_tokens(ids, pieces(), Masking(share=0.5, mask=mask, random=random))
    chosen = batch.labels != IGNORED
    assert ((batch.ids == MASK)[chosen] == (mask == 1)).all()
    if not mask and not random:
        assert torch.equal(batch.ids, ids)


def test_the_number_chosen_of_a_row_is_its_share_rounded_up_or_down() -> None:
    ids = torch.full((2000, 10), 7)
    counts = (mask_tokens(ids, pieces(), Masking(share=0.25)).labels != IGNORED).sum(1)
    assert sorted(set(counts.tolist())) == [2, 3]
    assert counts.float().mean().item() == pytest.approx(2.5, abs=4 * 0.5 / math.sqrt(2000))


@pytest.mark.parametrize("whole_words", [False, True])
def test_of_every_text_something_is_predicted_but_of_one_without_tokens(whole_words: bool) -> None:
    ids = torch.tensor([[CLS, 9, SEP, PAD], [CLS, SEP, PAD, PAD], [CLS, 9, 10, SEP]])
    for _ in range(20):
        batch = mask_tokens(ids, pieces([9]), Masking(whole_words=whole_words))
        found = (batch.labels != IGNORED).sum(1).tolist()
        assert found == [1, 0, 2 if whole_words else 1]


def test_every_token_has_the_same_chance() -> None:
    ids = torch.full((20_000, 12), 7)
    ids[:, 0], ids[:, 11] = CLS, SEP
    found = (mask_tokens(ids, pieces(), Masking()).labels != IGNORED).float().mean(0)
    assert found[1:11].tolist() == pytest.approx([0.15] * 10, abs=4 * math.sqrt(0.15 * 0.85 / 20_000))


def test_whole_words_are_chosen_or_not_at_all() -> None:
    starts = list(range(FIRST, 16))
    ids = texts(400, 90)
    batch = mask_tokens(ids, pieces(starts), Masking(whole_words=True))
    chosen = batch.labels != IGNORED
    for row in range(len(ids)):
        words: list[list[bool]] = []
        for index, is_chosen in zip(ids[row].tolist(), chosen[row].tolist(), strict=True):
            if index in starts or index < FIRST or (words and words[-1] == []):
                words.append([])
            if index >= FIRST:
                words[-1].append(is_chosen)
        assert all(len(set(word)) <= 1 for word in words)
        assert any(map(any, words))
    real = int((ids >= FIRST).sum())
    assert batch.target_tokens == pytest.approx(0.15 * real, rel=0.06)  # a little above: a word at least


def test_masks_are_drawn_anew_each_time_and_the_seed_decides() -> None:
    ids = texts(8, 40)
    torch.manual_seed(5)
    first, second = (mask_tokens(ids, pieces(), Masking()) for _ in range(2))
    assert not torch.equal(first.labels, second.labels)
    torch.manual_seed(5)
    again = mask_tokens(ids, pieces(), Masking())
    assert torch.equal(first.ids, again.ids)
    assert torch.equal(first.labels, again.labels)


@pytest.mark.parametrize("whole_words", [False, True])
def test_a_generator_that_is_handed_in_is_the_only_chance(whole_words: bool) -> None:
    ids = texts(8, 40)
    masking = Masking(whole_words=whole_words)
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        found.append(mask_tokens(ids, pieces([5, 6, 7]), masking, torch.Generator().manual_seed(9)).ids)
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*found)


def test_shares_add_up_to_one_at_most() -> None:
    with pytest.raises(
        SettingError, match=r"mask: got 0\.8 with random 0\.3; expected shares of at most 1 together; lower"
    ):
        build(Masking, {"random": 0.3})


def test_what_noise_must_know_comes_from_the_tokenizer() -> None:
    class Known:
        size, mask, specials = 5, 4, frozenset({0, 4})
        word_starts = np.array([False, True, False, True, False])

        def pieces_of(self, ids) -> list[str]:
            return [["[SEP]", "▁Hund", ".", "▁ja!", "<."][index] for index in ids]

    found = Pieces.of(Known())
    assert found.mask == 4
    assert found.special.tolist() == [True, False, False, False, True]
    assert found.word_starts is not None
    assert found.sentence_ends is not None
    assert found.word_starts.tolist() == [False, True, False, True, False]
    assert found.sentence_ends.tolist() == [False, False, True, True, False]


# --- spans left out

SENTINELS = list(range(999, 899, -1))


def test_segments_are_cut_in_every_way_with_the_same_chance() -> None:
    """Six tokens in three segments: C(5, 2) = 10 ways."""
    chance, draws = np.random.default_rng(0), 20_000
    found = Counter(tuple(module._segments(6, 3, chance).tolist()) for _ in range(draws))
    cuts = [(0, *pair, 6) for pair in combinations(range(1, 6), 2)]
    ways = {tuple(np.diff(cut).tolist()) for cut in cuts}
    assert set(found) == ways
    assert all(abs(count - draws / 10) < 4 * math.sqrt(draws * 0.09) for count in found.values())


@pytest.mark.parametrize(("length", "tokens", "spans"), [(568, 85, 28), (100, 15, 5), (20, 3, 1), (2, 1, 1), (7, 1, 1)])
def test_as_many_tokens_and_spans_are_missing_as_the_original_says(length: int, tokens: int, spans: int) -> None:
    missing = span_mask(length, SpanNoise(), np.random.default_rng(0))
    assert missing.sum() == tokens
    assert (np.diff(missing.astype(int)) == 1).sum() == spans
    assert not missing[0]
    assert missing[-1]


@given(st.integers(0, 200), st.floats(0.01, 0.95), st.floats(1, 10), st.integers(0, 2**32))
def test_source_and_target_together_are_the_text(length: int, share: float, mean: float, seed: int) -> None:
    text = np.arange(length)
    source, target = leave_out_spans(text, SENTINELS, SpanNoise(share, mean), np.random.default_rng(seed))
    spans: dict[int, list[int]] = {}
    for index in target.tolist():
        if index >= 900:
            spans[index] = []
        else:
            spans[list(spans)[-1]].append(index)
    used = [index for index in source.tolist() if index >= 900]
    assert list(spans) == SENTINELS[: len(used) + 1]  # in order, the last one ends it
    assert used == SENTINELS[: len(used)]
    assert spans[list(spans)[-1]] == []
    restored = [one for index in source.tolist() for one in (spans[index] if index >= 900 else [index])]
    assert restored == text.tolist()
    assert all(spans[index] for index in used)


def test_the_example_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raffel et al. 2020, figure 2."""
    words = "Thank you for inviting me to your party last week .".split()
    missing = np.isin(words, ["for", "inviting", "last"])
    monkeypatch.setattr(module, "span_mask", lambda *_, **__: missing)
    names = {901: "<Y>", 902: "<X>", 900: "<Z>"}
    sides = leave_out_spans(np.arange(len(words)), [902, 901, 900], SpanNoise(), np.random.default_rng(0))
    source, target = (" ".join(names.get(index) or words[index] for index in side.tolist()) for side in sides)
    assert source == "Thank you <X> me to your party <Y> week ."
    assert target == "<X> for inviting <Y> last <Z>"


def test_there_are_no_more_spans_than_sentinels() -> None:
    source, target = leave_out_spans(np.arange(500), [999, 998, 997], SpanNoise(), np.random.default_rng(0))
    assert [index for index in source.tolist() if index > 900] == [999, 998]
    assert [index for index in target.tolist() if index > 900] == [999, 998, 997]
    assert len(target) == 75 + 3


def test_a_block_of_512_comes_from_568_tokens() -> None:
    """What T5's own code says of its settings: 568 tokens make a source of 512 and a target of 114, ends included."""
    assert longest_uncut(512, SpanNoise()) == 568
    source, target = leave_out_spans(np.arange(568), SENTINELS, SpanNoise(), np.random.default_rng(0))
    assert (len(source) + 1, len(target) + 1) == (512, 114 + 1)  # our target has a sentinel more, at its end


# --- infilling


@given(st.integers(0, 120), st.floats(0, 0.99), st.integers(0, 2**32))
def test_masks_stand_for_the_share_of_the_tokens_and_never_side_by_side(length: int, share: float, seed: int) -> None:
    found = infill(np.arange(length), 999, InfillNoise(share=share), np.random.default_rng(seed)).tolist()
    kept = [index for index in found if index != 999]
    assert len(kept) == length - math.ceil(share * length)
    assert kept == sorted(kept)
    assert all(pair != (999, 999) for pair in pairwise(found))
    left = [-1, *found, length]  # a token is only missing where a mask stands
    for before, after in pairwise(left):
        assert 999 in (before, after) or after == before + 1


def lengths_of_spans(found: list[int], length: int) -> list[int]:
    left = [-1, *found, length]
    return [left[i + 1] - left[i - 1] - 1 for i in range(1, len(left) - 1) if left[i] == 999]


def test_lengths_of_spans_are_of_poisson() -> None:
    chance, length = np.random.default_rng(0), 900
    found = [infill(np.arange(length) + 1000, 999, InfillNoise(), chance).tolist() for _ in range(200)]
    spans = [one for text in found for one in lengths_of_spans([i - 1000 if i >= 1000 else i for i in text], length)]
    assert np.mean(spans) == pytest.approx(3.0, abs=0.05)
    share = Counter(spans)
    for number in range(7):
        expected = math.exp(-3) * 3**number / math.factorial(number)
        assert share[number] / len(spans) == pytest.approx(expected, abs=0.01)


def test_a_mask_may_be_anywhere() -> None:
    chance = np.random.default_rng(0)
    found = [infill(np.arange(10), 999, InfillNoise(mean_length=1.0), chance) for _ in range(300)]
    assert any(one[0] == 999 for one in found)
    assert any(one[-1] == 999 for one in found)
    assert infill(np.array([5]), 999, InfillNoise(share=0.9), chance).tolist() == [999]


def test_sentences_come_in_every_order_and_stay_whole() -> None:
    ends = np.isin(np.arange(30), [9, 19])
    text = np.array([1, 2, 9, 3, 9, 19, 4, 5])  # "1 2. 3.! 4 5"
    chance = np.random.default_rng(0)
    found = {tuple(permute_sentences(text, ends, chance).tolist()) for _ in range(200)}
    a, b, c = (1, 2, 9), (3, 9, 19), (4, 5)
    assert found == {x + y + z for x, y, z in ((a, b, c), (a, c, b), (b, a, c), (b, c, a), (c, a, b), (c, b, a))}


@pytest.mark.parametrize("text", [[], [1], [9], [1, 2, 9]])
def test_a_text_of_one_sentence_stays_as_it_is(text: list[int]) -> None:
    ends = np.isin(np.arange(30), [9])
    assert permute_sentences(np.array(text, dtype=np.int64), ends, np.random.default_rng(0)).tolist() == text


def test_numpy_s_chance_comes_from_torch() -> None:
    torch.manual_seed(3)
    first, second = numpy_chance().random(), numpy_chance().random()
    assert first != second
    torch.manual_seed(3)
    assert numpy_chance().random() == first
    generator = torch.Generator().manual_seed(3)
    assert numpy_chance(generator).random() == first
