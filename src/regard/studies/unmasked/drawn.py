"""The masks of a real batch, drawn."""

from __future__ import annotations

from regard.data.batching import filled
from regard.layers.mask import padding_mask, past
from regard.layers.position import in_order
from regard.looking.maps import masks
from regard.studies.frame.pairs import Pair, SentencePairs
from regard.studies.frame.study import Picture


def drawn(pairs: SentencePairs) -> list[Picture]:
    """The masks of a batch of two test pairs, the shorter one with padding."""
    by_length = sorted(pairs.test, key=lambda pair: len(pairs.source.encode(pair[0])))
    batch: list[Pair] = [by_length[0], by_length[len(by_length) // 3]]
    sources, targets = pairs.encoded(batch)
    ids = pairs.vocabulary
    source = filled(sources, pairs.source.size - 1, ids.eos)
    target = filled(targets, pairs.target.size - 1, ids.eos)
    real, target_real = padding_mask(source, pairs.source.size - 1), padding_mask(target, pairs.target.size - 1)
    ahead = past(in_order(target), in_order(target)) & target_real
    pictures = []
    for row, name in enumerate(("shorter", "longer")):
        shape = (source.shape[1], target.shape[1])
        figure = masks(
            real[row, 0].expand(shape[0], -1).numpy(),
            ahead[row, 0].numpy(),
            real[row, 0].expand(shape[1], -1).numpy(),
            pairs.source.pieces_of(source[row].tolist()),
            pairs.target.pieces_of(target[row].tolist()),
        )
        pictures.append(Picture(f"masks-{name}", figure, f"The three masks of the {name} sentence of a batch of two."))
    return pictures
