"""ConvS2S as a family: its sizes, its first weights, what stands on disk, and that it translates."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
import torch

from regard.config import build as build_settings
from regard.decoding.batches import source_batches
from regard.decoding.search import search
from regard.decoding.settings import DecodingSettings
from regard.errors import SettingError
from regard.families import convs2s
from regard.families.convs2s import SIZES, TOY, Config
from regard.models.vocabulary import joint_vocabulary, own_vocabulary
from regard.tasks.text_to_text import shift_right

JOINT = joint_vocabulary(11)


def counted(vocabulary: int, encoder: int, decoder: int, d: int, f: int, k: int, longest: int) -> int:
    """Every trained number of section 3 by hand, with one embedding for source, target and softmax, and its bias."""
    convolution = k * d * 2 * d + 2 * d
    up, down = f * d + d, d * f + f
    embeddings = vocabulary * f + 2 * longest * f + vocabulary
    return embeddings + encoder * convolution + decoder * (convolution + up + down) + 2 * (up + down)


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ("small", (4, 4, 256, 256, 3)),
        ("iwslt", (4, 3, 256, 256, 3)),
        ("tutorial", (10, 10, 512, 256, 3)),
        ("wmt16", (20, 20, 512, 512, 3)),
    ],
)
def test_a_size_has_as_many_parameters_as_counted_by_hand(size, sizes):
    with torch.device("meta"):
        model = convs2s.build(SIZES[size], joint_vocabulary(8000))
    assert sum(weight.numel() for weight in model.parameters()) == counted(8000, *sizes, 1024)


def test_the_first_size_is_the_default():
    assert next(iter(SIZES.values())) == Config()


def test_a_window_without_a_middle_is_refused():
    expected = r"^width: got 4; expected an odd number, so that windows are centred; use 5\.$"
    with pytest.raises(SettingError, match=expected):
        Config(width=4)
    with pytest.raises(SettingError, match=r"^model\.width: got 4; expected an odd number"):
        build_settings(Config, {"width": 4}, "model.")


def test_first_weights_have_the_variance_of_section_3_5():
    """N(0, 4p/n) before a gate, N(0, p/n) after dropout, N(0, 1/n) elsewhere, p = 3/4; embeddings N(0, 0.1²)."""
    model = convs2s.build(Config(layers=2, dropout=0.25, d_embedding=64, d_model=100), joint_vocabulary(3000))
    expected = {
        "product": 4 * 0.75 / 300,
        "wide": 0.75 / 64,
        "narrow": 1 / 100,
        "cross_attention.query": 1 / 100,
        "cross_attention.output": 1 / 64,
        "tokens": 0.01,
        "positions": 0.01,
    }
    seen = set()
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            assert weight.abs().max() == 0, name
            continue
        part = next(part for part in expected if name.endswith(f"{part}.weight"))
        assert weight.var().item() == pytest.approx(expected[part], rel=0.1), name
        seen.add(part)
    assert seen == set(expected)
    assert model.encoder.embed.tokens.weight[model.pad].abs().max() == 0


def test_no_public_architecture_fits():
    for config in (TOY, *SIZES.values()):
        for ids in (JOINT, own_vocabulary(20, 9, shared=False)):
            assert convs2s.obstacle(config, ids) == "family = convs2s"
            table = json.loads(json.dumps(convs2s.public_config(config, ids)))
            assert (table["model_type"], table["family"]) == ("regard", "convs2s")
            assert convs2s.read_public_config(table)[:2] == (config, ids)


def test_one_matrix_serves_both_embeddings_and_the_softmax_or_the_target_s_two():
    joint, apart = convs2s.build(TOY, JOINT), convs2s.build(TOY, own_vocabulary(20, 9, shared=False))
    assert joint.encoder.embed.tokens.weight is joint.decoder.embed.tokens.weight is joint.output.weight
    assert apart.encoder.embed.tokens.weight is not apart.decoder.embed.tokens.weight is apart.output.weight
    assert joint.most_tokens == TOY.longest


def test_it_learns_to_reverse():
    model = convs2s.build(replace(TOY, d_model=32, d_embedding=32, dropout=0.0), JOINT)
    words, end = torch.randint(1, 10, (16, 4)), torch.zeros(16, 1, dtype=torch.int64)
    source, target = torch.cat((words, end), 1), torch.cat((words.flip(1), end), 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    for _ in range(150):
        logits = model.logits(model(source, shift_right(target, model.start)))[..., :10]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = translations(model.eval(), dict(enumerate(source.tolist())), DecodingSettings(beam=2), 16)
    assert [list(hypotheses[0].ids) for hypotheses in found.values()] == words.flip(1).tolist()


def translations(model, sources: dict[int, list[int]], settings: DecodingSettings, together: int) -> dict[int, object]:
    """Each sentence's hypotheses, the sentences ``together`` at a time."""
    found, numbers = {}, sorted(sources)
    for first in range(0, len(numbers), together):
        some = {i: sources[i] for i in numbers[first : first + together]}
        for batch in source_batches(some, model.source_pad, settings, torch.device("cpu"), model.most_tokens):
            found.update(zip(batch.numbers.tolist(), search(model, batch, settings), strict=True))
    return dict(sorted(found.items()))


@pytest.mark.parametrize("beam", [1, 4])
def test_a_sentence_gets_bit_for_bit_the_same_alone_and_in_any_batch(beam):
    """With windows of 3 · 24 values: products with many more need more rows than a search keeps on some processors."""
    model = convs2s.build(Config(layers=3, d_embedding=24, d_model=24, dropout=0.0), joint_vocabulary(300)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "embed" in name or name.endswith("bias"):
                weight.normal_(std=0.5)
        model.encoder.embed.tokens.weight[model.pad].zero_()
    sources = {i: [random.randrange(2, 299) for _ in range(random.randint(1, 15))] + [0] for i in range(15)}
    settings = DecodingSettings(beam=beam, n_best=beam, max_extra=5)
    alone = translations(model, sources, settings, 1)
    assert len({hypotheses[0].ids for hypotheses in alone.values()}) > 4
    for together in (2, 3, 5, 15):
        assert translations(model, sources, settings, together) == alone
