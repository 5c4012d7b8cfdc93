from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.data.batching import IGNORED, TextBatch
from regard.data.packing import Packing, Stream, collate_windows, sequential_windows, windows
from regard.data.store import Store, write_columns
from regard.errors import DataError

EOS, BOS, PAD = 1, 2, 0
DOCUMENTS = [[10, 11, 12, 13], [], [20], [30, 31, 32, 33, 34, 35, 36, 37, 38], [40, 41]]


class Numbers:
    size = 100_000

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [[int(word) for word in text.split()] for text in texts]


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory):
    def write(documents: list[list[int]]) -> Store:
        rows = [(" ".join(map(str, document)),) for document in documents]
        return write_columns(tmp_path_factory.mktemp("stores") / "store", rows, {"text": Numbers()})

    return write


@pytest.fixture(scope="session")
def store(make) -> Store:
    return make(DOCUMENTS)


@pytest.fixture(scope="session")
def many(make) -> Store:
    """150 documents of 0 to 39 tokens, no two tokens alike."""
    lengths = np.random.default_rng(0).integers(0, 40, 150).tolist()
    begins = np.cumsum([100, *lengths])
    return make([list(range(begin, begin + length)) for begin, length in zip(begins, lengths, strict=False)])


def in_a_row(documents: list[list[int]], bos: int | None) -> list[int]:
    """The stream, by hand."""
    found: list[int] = []
    for number, document in enumerate(documents):
        if number and bos != EOS:
            found.append(EOS)
        if bos is not None:
            found.append(bos)
        found += document
    return found


@pytest.mark.parametrize("bos", [None, BOS, EOS])
def test_a_stream_is_all_documents_one_after_the_other(store: Store, bos: int | None) -> None:
    stream = Stream(store, "text", EOS, bos, PAD)
    expected = in_a_row(DOCUMENTS, bos)
    assert len(stream) == len(expected)
    assert stream.read(np.array([0]), len(expected) + 3).tolist() == [[*expected, PAD, PAD, PAD]]
    starts = np.array([7, 0, 3, 3])
    assert stream.read(starts, 5).tolist() == [expected[start : start + 5] for start in starts]


def test_one_document_is_itself(make) -> None:
    stream = Stream(make([[5, 6, 7]]), "text", EOS)
    assert stream.read(np.array([0]), len(stream)).tolist() == [[5, 6, 7]]


@pytest.mark.parametrize("bos", [None, BOS, EOS])
@pytest.mark.parametrize("block", [1, 4, 7, 500])
def test_in_order_every_token_but_the_first_is_predicted_once_from_the_one_before(store, bos, block) -> None:
    stream = Stream(store, "text", EOS, bos, PAD)
    expected = in_a_row(DOCUMENTS, bos)
    seen = []
    for starts in sequential_windows(stream, block, 2 * block):
        batch = collate_windows(stream, starts, block)
        assert batch.texts is None
        assert batch.ids.numel() <= 2 * block
        assert batch.target_tokens == int((batch.labels != IGNORED).sum())
        for start, ids, labels in zip(starts, batch.ids.tolist(), batch.labels.tolist(), strict=True):
            for place, (index, label) in enumerate(zip(ids, labels, strict=True), start=int(start)):
                if label != IGNORED:
                    assert [index, label] == expected[place : place + 2]
                    seen.append(place + 1)
    certain = [place for place, index in enumerate(expected) if index == BOS]
    assert seen == [place for place in range(1, len(expected)) if place not in certain]


@pytest.mark.parametrize("epoch", [0, 1, 2])
@pytest.mark.parametrize("block", [8, 33])
def test_an_epoch_sees_each_token_at_most_once_and_nearly_all(many: Store, block: int, epoch: int) -> None:
    stream = Stream(many, "text", EOS)
    plan = windows(stream, block, 4 * block, 7, epoch)
    assert {len(starts) for starts in plan[:-1]} == {4}
    starts = np.concatenate(plan)
    read = np.sort((starts[:, None] + np.arange(1, block + 1)).ravel())
    assert (np.diff(read) == 1).all()  # side by side, none twice
    assert read[-1] < len(stream)
    assert len(stream) - len(read) <= 2 * block
    batch = collate_windows(stream, plan[0], block)
    assert batch.ids.shape == (4, block)
    assert batch.labels[:, :-1].tolist() == batch.ids[:, 1:].tolist()


def test_seed_and_epoch_decide_where_the_cuts_are_and_their_order(many: Store) -> None:
    stream = Stream(many, "text", EOS)

    def plan(seed: int, epoch: int) -> list[int]:
        return np.concatenate(windows(stream, 32, 64, seed, epoch)).tolist()

    assert plan(1, 2) == plan(1, 2)
    plans = [plan(seed, epoch) for seed, epoch in ((1, 2), (2, 1), (1, 3), (1, 4))]
    assert len({tuple(one) for one in plans}) == 4
    assert len({one[0] % 32 for one in plans}) > 1
    assert plans[0] != sorted(plans[0])


def test_over_the_epochs_every_token_has_its_turn(store: Store) -> None:
    stream = Stream(store, "text", EOS)
    seen = set()
    for epoch in range(60):
        for starts in windows(stream, 8, 8, 0, epoch):
            seen |= set((starts[:, None] + np.arange(1, 9)).ravel().tolist())
    assert seen == set(range(1, len(stream)))


@pytest.mark.parametrize("documents", [[[5, 6]], [[5], [6]], [[5, 6, 7]]])
def test_a_stream_shorter_than_a_block_is_one(make, documents: list[list[int]]) -> None:
    stream = Stream(make(documents), "text", EOS)
    for epoch in range(10):
        (starts,) = windows(stream, 100, 100, 0, epoch)
        batch = collate_windows(stream, starts, 100)
        assert batch.target_tokens == len(stream) - 1
        assert [*batch.ids[0].tolist(), int(batch.labels[0, -1])] == in_a_row(documents, None)


def test_a_stream_of_one_token_predicts_nothing(make) -> None:
    stream = Stream(make([[5]]), "text", EOS)
    for plan in (lambda: windows(stream, 4, 8, 0, 0), lambda: sequential_windows(stream, 4, 8)):
        with pytest.raises(DataError, match="got 1 tokens; expected at least 2; check the corpus"):
            plan()


def test_a_block_has_to_fit_into_a_batch(store: Store) -> None:
    with pytest.raises(DataError, match="block: got a block of 9 tokens; expected at most the batch's 8 tokens; raise"):
        windows(Stream(store, "text", EOS), 9, 8, 0, 0)
    with pytest.raises(DataError, match="block: got a block of 9 tokens; expected at most the batch's 8 tokens; raise"):
        Packing(store, "text", 9, EOS, PAD).sequential(8)


# --- packed


def pieces_of(batch: TextBatch) -> list[tuple[list[int], list[int]]]:
    """What is read and predicted in each text of a batch."""
    assert batch.texts is not None
    found = []
    for ids, labels, texts in zip(batch.ids.tolist(), batch.labels.tolist(), batch.texts.tolist(), strict=True):
        numbers = sorted(set(texts) - {0})
        assert numbers == list(range(1, len(numbers) + 1))
        assert texts == sorted(texts, key=lambda number: number or 10**9)  # in order, padding last
        for number in numbers:
            inside = [place for place, text in enumerate(texts) if text == number]
            found.append(([ids[place] for place in inside], [labels[place] for place in inside]))
        assert all(ids[place] == PAD and labels[place] == IGNORED for place, text in enumerate(texts) if not text)
    return found


def cut(documents: list[list[int]], block: int, bos: int | None) -> list[tuple[list[int], list[int]]]:
    """What is to be read and predicted, by hand."""
    found = []
    for document in documents:
        whole = [*([] if bos is None else [bos]), *document, EOS]
        for begin in range(0, len(whole) - 1, block):
            end = min(begin + block, len(whole) - 1)
            found.append((whole[begin:end], whole[begin + 1 : end + 1]))
    return found


@pytest.mark.parametrize("bos", [None, BOS, EOS])
@pytest.mark.parametrize("block", [1, 3, 9, 40])
def test_every_text_is_read_once_and_by_itself(store: Store, bos: int | None, block: int) -> None:
    packing = Packing(store, "text", block, EOS, PAD, bos)
    expected = sorted(cut(DOCUMENTS, block, bos))
    for plan in (packing.plan(2 * block, 3, 4), packing.sequential(2 * block)):
        batches = [packing.collate(pieces) for pieces in plan]
        assert sorted(piece for batch in batches for piece in pieces_of(batch)) == expected
        for batch in batches:
            assert batch.ids.shape[0] <= 2
            assert batch.ids.shape[1] <= block
            assert batch.target_tokens == int((batch.labels != IGNORED).sum())


@given(st.data())
def test_blocks_are_filled_and_never_over(many: Store, data: st.DataObject) -> None:
    block = data.draw(st.integers(5, 64))
    packing = Packing(many, "text", block, EOS, PAD)
    pieces = packing._pieces()
    fill = Counter()
    for number, length in zip(packing._fit(pieces).tolist(), pieces[:, 2].tolist(), strict=True):
        fill[number] += length
    assert max(fill.values()) <= block
    assert sorted(fill) == list(range(len(fill)))
    least = -(-int(pieces[:, 2].sum()) // block)
    assert len(fill) <= np.ceil(11 / 9 * least) + 1  # the bound of best fit decreasing, to the optimum
    assert sum(sorted(fill.values())[:2]) > block  # even the two emptiest would not go together


def test_little_of_a_packed_batch_is_padding(many: Store) -> None:
    packing = Packing(many, "text", 64, EOS, PAD)
    batches = [packing.collate(pieces) for pieces in packing.plan(256, 0, 0)]
    cells = sum(batch.ids.numel() for batch in batches)
    assert sum(batch.target_tokens for batch in batches) > 0.95 * cells


def test_seed_and_epoch_decide_who_is_with_whom(many: Store) -> None:
    packing = Packing(many, "text", 64, EOS, PAD)

    def plan(seed: int, epoch: int) -> list[list[list[int]]]:
        return [batch.tolist() for batch in packing.plan(128, seed, epoch)]

    assert plan(1, 2) == plan(1, 2)
    assert len({str(plan(seed, epoch)) for seed, epoch in ((1, 2), (2, 1), (1, 3))}) == 3
    together = [
        {frozenset(row for block, row, *_ in batch if block == number) for batch in plan(1, epoch) for number in (0, 1)}
        for epoch in (0, 1)
    ]
    assert together[0] != together[1]


def test_texts_without_tokens_are_nothing_to_learn(make) -> None:
    with pytest.raises(DataError, match="got texts without tokens; expected some tokens; check the corpus"):
        Packing(make([[], []]), "text", 8, EOS, PAD, BOS).sequential(8)
