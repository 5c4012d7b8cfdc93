"""The compiled decoder beside torch: the same outputs, and the same bits in any company."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from regard.decoding.native.choice import Engines
from regard.decoding.settings import DecodingSettings
from regard.decoding.translator import Translator
from regard.errors import CheckpointError, SettingError
from regard.families import bart, marian, transformer
from regard.models.parts import Parts
from regard.models.stack import Decoder, Encoder
from regard.models.vocabulary import Vocabulary, joint_vocabulary, own_vocabulary

pytestmark = pytest.mark.usefixtures("library")

SIZE = transformer.Config(layers=2, d_model=32, d_ff=40, heads=4)
NATIVE = DecodingSettings(engine="native", max_extra=6)


def lines(count, vocabulary, longest=8):
    return [
        " ".join(str(random.randint(1, vocabulary - 2)) for _ in range(random.randint(1, longest)))
        for _ in range(count)
    ]


def shaken(model):
    """Weights with a deviation of 0.2, and gains of the last norm of both signs, so that outputs differ and end."""
    torch.manual_seed(5)
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn_like(weight) * 0.2
            weight.copy_(weight + noise if weight.ndim == 1 else noise)
        last = model.decoder.final_norm or model.decoder.blocks[-1].around_feed_forward.norm
        last.weight.normal_()
        model.output.bias[model.eos] = 0.5
    return model.eval()


def both(model, words, texts, settings):
    translator = Translator(model, words, words)
    return (
        translator.translate(texts, replace(settings, engine="native")),
        translator.translate(texts, replace(settings, engine="torch")),
    )


def agree(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert [h.ids for h in one.n_best] == [h.ids for h in other.n_best]
        for h, g in zip(one.n_best, other.n_best, strict=True):
            assert h.token_log_probabilities == pytest.approx(g.token_log_probabilities, abs=1e-4)
            assert h.log_probability == pytest.approx(g.log_probability, abs=1e-4, rel=1e-6)
            assert h.score == pytest.approx(g.score, abs=1e-4)
            assert h.ended == g.ended
            assert h.text == g.text


MODELS = [
    {},
    {"norm": "pre"},
    {"norm_kind": "rms"},
    {"norm": "pre", "norm_kind": "rms", "positions": "rotary"},
    {"positions": "learned", "longest": 40},
    {"positions": "none", "activation": "silu"},
    {"activation": "gelu"},
    {"activation": "gelu_tanh", "scale": False, "d_k": 3, "d_v": 5},
    {"heads": 2, "d_k": 24, "d_v": 40, "decoder_layers": 1},
    {"d_model": 112, "d_ff": 72, "heads": 1, "layers": 1},
]


@pytest.mark.parametrize("changes", MODELS, ids=str)
def test_every_kind_of_model_writes_what_it_writes_in_torch(words, changes):
    model = shaken(transformer.build(replace(SIZE, **changes), joint_vocabulary(70)))
    texts = lines(6, 70, longest=6)
    ours, theirs = both(model, words, texts, DecodingSettings(beam=4, n_best=3, max_extra=4))
    assert len({h.ids for one in ours for h in one.n_best if len(h.ids) > 2}) > 8, "else there is little to agree on"
    agree(ours, theirs)
    agree(*both(model, words, texts, DecodingSettings(beam=1, max_extra=4)))


SEARCHES = [
    {"beam": 5, "n_best": 5},
    {"beam": 3, "length_penalty": 0.0},
    {"beam": 3, "penalty": "plain", "length_penalty": 1.0},
    {"beam": 4, "n_best": 4, "rules": "transformers", "penalty": "plain", "length_penalty": 1.0},
    {"beam": 1, "rules": "transformers"},
    {"beam": 3, "max_extra": 0},
    {"beam": 3, "max_extra": 0, "rules": "transformers"},
    {"beam": 3, "min_length": 6},
    {"beam": 1, "min_length": 6},
    {"beam": 3, "n_best": 3, "suppress": (0, 3, 5, 7, 11)},
    {"beam": 3, "n_best": 3, "ends": (3, 5, 7)},
    {"beam": 1, "ends": (3, 5, 7)},
    {"beam": 3, "n_best": 2, "no_repeat_ngram": 2},
    {"beam": 1, "no_repeat_ngram": 1, "suppress": (9,), "min_length": 2},
    {"beam": 3, "forced_first": 8},
    {"beam": 1, "forced_first": 8, "rules": "transformers"},
    {"beam": 40, "n_best": 40, "max_extra": 2},
]


@pytest.mark.parametrize("changes", SEARCHES, ids=str)
def test_every_search_finds_what_it_finds_in_torch(words, changes):
    model = shaken(transformer.build(SIZE, joint_vocabulary(70)))
    agree(*both(model, words, lines(6, 70, longest=6), DecodingSettings(**{"max_extra": 4, **changes})))


def test_other_families_of_the_same_parts_agree_too(words):
    roles = {"eos": 2, "pad": 1, "bos": 0}
    vocabulary = Vocabulary.of_texts(70, roles, start=2)
    for model in (marian.build(marian.TOY, joint_vocabulary(70)), bart.build(bart.TOY, vocabulary)):
        shaken(model)
        assert Engines(model).choose(NATIVE).reason == ""
        agree(*both(model, words, lines(6, 60, longest=6), DecodingSettings(beam=3, max_extra=4)))


@pytest.mark.parametrize("length", [0, 150])
def test_groups_of_heads_gates_and_maps_without_biases_agree(words, length):
    made = transformer.build(SIZE, own_vocabulary(60, 70, shared=False))
    parts = Parts(
        d_model=32, heads=4, d_ff=40, groups=2, activation="silu", gated=True, bias=False,
        norm=lambda: transformer.LayerNorm(32),
        placement=transformer.PreNorm,
    )  # fmt: skip
    encoder = Encoder(made.encoder.embed, [parts.encoder_block() for _ in range(2)], transformer.LayerNorm(32))
    decoder = Decoder(made.decoder.embed, [parts.decoder_block() for _ in range(2)], transformer.LayerNorm(32))
    made.encoder, made.decoder = encoder, decoder
    assert Engines(shaken(made)).choose(NATIVE).reason == ""
    settings = DecodingSettings(beam=4, n_best=2, min_length=length, max_extra=length or 4, no_repeat_ngram=2)
    agree(*both(made, words, lines(6 if length == 0 else 2, 60, longest=6), settings))


def beginning(outputs):
    """How many tokens all of them begin with."""
    return sum(1 for _ in itertools.takewhile(lambda tokens: len(set(tokens)) == 1, zip(*outputs, strict=False)))


@pytest.mark.parametrize(
    "changes", [{}, {"heads": 2, "d_k": 24, "d_v": 40}, {"norm": "pre", "positions": "rotary"}], ids=str
)
def test_outputs_are_long_and_what_hypotheses_share_is_kept_once(words, changes):
    """From the 48th on places are settled, 16 at a time, and 64 of them have room before it is doubled."""
    model = shaken(transformer.build(replace(SIZE, **changes), joint_vocabulary(70)))
    texts = lines(4, 70, longest=6)
    long = DecodingSettings(beam=4, n_best=4, min_length=150, max_extra=150, no_repeat_ngram=2)
    ours, theirs = both(model, words, texts, long)
    shared = [beginning(h.ids for h in one.n_best) for one in ours]
    assert any(64 < places < 150 for places in shared), "else nothing was shared, or all"
    agree(ours, theirs)
    agree(*both(model, words, texts, replace(long, beam=1, n_best=1)))
    alone = [Translator(model, words, words).translate([text], replace(long, engine="native"))[0] for text in texts]
    assert alone == ours, "the same bits alone"


def test_a_wide_beam_finds_what_enumeration_finds(words, penalty_of):
    model = shaken(transformer.build(replace(SIZE, d_model=16), joint_vocabulary(5)))
    source = [3, 1, 2]
    ids = torch.tensor([[*source, model.eos]])

    def terms(output):
        fed = torch.tensor([[model.start, *output[:-1]]])
        logs = model.logits(model(ids, fed)).log_softmax(-1)[0]
        return logs.gather(1, torch.tensor(output)[:, None]).sum().item()

    outputs = [(*words_, 0) for length in range(4) for words_ in itertools.product((1, 2, 3), repeat=length)]
    with torch.inference_mode():
        ranked = sorted(((terms(one) / penalty_of(len(one), "paper", 0.6), one[:-1]) for one in outputs), reverse=True)
    settings = replace(NATIVE, beam=60, n_best=40, max_extra=0)
    (found,) = Translator(model, words, words).translate(["3 1 2"], settings)
    assert [one.ids for one in found.n_best] == [output for _, output in ranked]
    assert [one.score for one in found.n_best] == pytest.approx([score for score, _ in ranked], abs=1e-5)


@pytest.mark.parametrize("products", ["float32", "int8"])
@pytest.mark.parametrize("beam", [1, 5])
def test_text_and_scores_have_the_same_bits_in_any_company(words, beam, products):
    model = shaken(transformer.build(SIZE, joint_vocabulary(500)))
    texts = lines(70, 500, longest=12)
    settings = replace(NATIVE, beam=beam, products=products, n_best=beam)
    translator = Translator(model, words, words)
    if translator.engines.choose(replace(settings, engine="auto")).reason:
        pytest.skip("no instructions for products of bytes")
    together = translator.translate(texts, settings)
    for batch, workers in itertools.product((1, 7, 64), (1, 2)):
        parts = [texts[i : i + batch] for i in range(0, len(texts), batch)]
        found = [one for part in parts for one in translator.translate(part, replace(settings, workers=workers))]
        assert found == together
    order = random.sample(range(70), 70)
    again = translator.translate([texts[i] for i in order], replace(settings, workers=2, batch_tokens=100))
    assert again == [together[i] for i in order]


def test_products_of_bytes_write_nearly_what_float32_writes(words):
    model = shaken(transformer.build(replace(SIZE, d_model=64, norm="pre"), joint_vocabulary(200)))
    translator = Translator(model, words, words)
    settings = replace(NATIVE, products="int8", beam=1)
    if translator.engines.choose(replace(settings, engine="auto")).reason:
        pytest.skip("no instructions for products of bytes")
    off = []
    for text, found in zip(texts := lines(20, 200), translator.translate(texts, settings), strict=True):
        output = [*found.ids, model.eos]
        source, fed = torch.tensor([[*map(int, text.split()), model.eos]]), torch.tensor([[model.start, *output[:-1]]])
        with torch.inference_mode():
            logs = model.logits(model(source, fed)).log_softmax(-1)[0]
        exact = logs.gather(1, torch.tensor(output)[:, None])[:, 0].tolist()
        off += [abs(a - b) for a, b in zip(exact, found.n_best[0].token_log_probabilities, strict=True)]
    assert 0 < sum(off) / len(off) < 0.1


def test_sources_are_read_as_torch_reads_them(words):
    """Padding inside a source is not seen, but has its place; a source may be longer than any before it."""
    model = shaken(transformer.build(replace(SIZE, positions="rotary"), joint_vocabulary(70)))
    agree(*both(model, words, ["5 69 6 69", "7 8"], DecodingSettings(beam=2, max_extra=4)))
    long = " ".join(str(1 + i % 60) for i in range(300))
    agree(*both(model, words, [long, "3"], DecodingSettings(beam=1, ends=tuple(range(1, 69)))))


def test_a_written_weight_is_read_anew(words):
    model = shaken(transformer.build(SIZE, joint_vocabulary(70)))
    translator, texts = Translator(model, words, words), lines(3, 70, longest=4)
    before = translator.translate(texts, NATIVE)
    engine = translator.engines.choose(NATIVE).engine
    assert translator.engines.choose(NATIVE).engine is engine
    for change in (
        lambda: model.decoder.blocks[0].feed_forward.inner.weight.mul_(1.5),
        lambda: model.output.bias.add_(torch.randn(70)),
        lambda: setattr(
            model.encoder.blocks[1],
            "feed_forward",
            shaken(transformer.build(SIZE, joint_vocabulary(70))).encoder.blocks[0].feed_forward,
        ),
        lambda: setattr(model.encoder.blocks[0].self_attention.query.weight, "data", torch.randn(32, 32)),
        lambda: setattr(model.encoder.blocks[0].self_attention, "similarity", transformer.DotProduct(0.01)),
    ):
        with torch.no_grad():
            change()
        after = translator.translate(texts, NATIVE)
        assert after != before
        agree(after, translator.translate(texts, replace(NATIVE, engine="torch")))
        before = after


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def with_hook(model):
    model.decoder.blocks[0].register_forward_hook(lambda *_: None)


def with_recorder(model):
    model.decoder.blocks[0].cross_attention.recorder = lambda weights: None


def with_another_map(model):
    model.decoder.blocks[0].self_attention.query = Doubled(32, 32)


@pytest.mark.parametrize(
    ("changes", "change", "reason"),
    [
        ({"norm_kind": "batch"}, None, "a part of another kind, BatchNorm"),
        ({"norm_kind": "group", "norm_groups": 4}, None, "a part of another kind, GroupNorm"),
        ({"residual": False}, None, "a part of another kind, NoResidual"),
        ({"positions": "relative"}, None, "relative positions, or attention to a window"),
        ({"positions": "alibi"}, None, "relative positions, or attention to a window"),
        ({"window": 3}, None, "relative positions, or attention to a window"),
        ({"d_model": 24}, None, "d_model 24, no multiple of 16"),
        ({}, nn.Module.double, "weights in float64 on cpu"),
        ({}, nn.Module.bfloat16, "weights in bfloat16 on cpu"),
        ({}, with_hook, "hooks on its parts"),
        ({}, with_recorder, "attention that is being recorded"),
        ({}, with_another_map, "a part of another kind, Doubled"),
    ],
)
def test_what_is_not_known_is_left_to_torch(words, changes, change, reason):
    model = shaken(transformer.build(replace(SIZE, **changes), joint_vocabulary(70)))
    engines = Engines(model)
    if change is not None:
        engines.choose(DecodingSettings())
        change(model)
    choice = engines.choose(DecodingSettings())
    assert (choice.engine, choice.reason) == (None, reason)
    with pytest.raises(
        SettingError, match=f"engine: got native; expected a case without this hindrance: {reason}; use auto"
    ):
        engines.choose(NATIVE)
    assert len(Translator(model, words, words).translate(["3 4"], DecodingSettings(max_extra=3))) == 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (DecodingSettings(sample=True), "sampling"),
        (DecodingSettings(repetition_penalty=1.2), "a repetition penalty"),
        (DecodingSettings(engine="torch", products="int8"), "engine is torch"),
    ],
)
def test_what_only_torch_heeds_is_left_to_it(settings, reason):
    choice = Engines(transformer.build(SIZE, joint_vocabulary(70))).choose(settings)
    assert (choice.engine, choice.reason) == (None, reason)


def test_without_a_compiler_torch_translates(words, monkeypatch):
    model = shaken(transformer.build(SIZE, joint_vocabulary(70)))
    expected = Translator(model, words, words).translate(["3 4 5"], replace(NATIVE, engine="torch"))
    monkeypatch.setenv("REGARD_NATIVE", "0")
    translator = Translator(model, words, words)
    assert translator.engines.choose(DecodingSettings()).reason == "REGARD_NATIVE is 0"
    assert translator.translate(["3 4 5"], replace(NATIVE, engine="auto")) == expected


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_logits_that_are_no_numbers_are_an_error(words, engine):
    model = shaken(transformer.build(SIZE, joint_vocabulary(70)))
    with torch.no_grad():
        model.decoder.blocks[1].around_feed_forward.norm.weight[0] = math.nan
    with pytest.raises(CheckpointError, match="logits that are no numbers; expected finite ones; look for a weight"):
        Translator(model, words, words).translate(["3 4", "5"], replace(NATIVE, engine=engine))


def test_weights_that_are_no_numbers_are_left_to_torch():
    model = transformer.build(SIZE, joint_vocabulary(70))
    with torch.no_grad():
        model.decoder.blocks[1].feed_forward.inner.weight[0, 0] = math.inf
    assert Engines(model).choose(DecodingSettings()).reason == "weights that are no numbers"


def test_an_id_outside_the_vocabulary_is_an_error(words):
    translator = Translator(shaken(transformer.build(SIZE, joint_vocabulary(70))), words, words)
    with pytest.raises(SettingError, match="suppress: got 70; expected ids below 70"):
        translator.translate(["3"], replace(NATIVE, suppress=(70,)))
    with pytest.raises(IndexError, match="an id outside the source's vocabulary"):
        translator.translate(["70"], replace(NATIVE, engine="auto"))


def test_progress_is_told_and_ends_with_all_of_them(words):
    told = []
    model = shaken(transformer.build(SIZE, joint_vocabulary(70)))
    Translator(model, words, words).translate(["3 4", "", "5"], NATIVE, told.append)
    assert told == sorted(told)
    assert told[-1] == 3


def test_whoever_interrupts_gets_the_word_back(words):
    def interrupt(done):
        raise KeyboardInterrupt

    model = shaken(transformer.build(SIZE, joint_vocabulary(70)))
    translator, texts = Translator(model, words, words), lines(30, 70)
    with pytest.raises(KeyboardInterrupt):
        translator.translate(texts, replace(NATIVE, workers=2), interrupt)
    agree(*both(model, words, texts[:3], NATIVE))


def test_no_output_ends_too_early(words):
    model = shaken(transformer.build(SIZE, joint_vocabulary(70)))
    model.output.bias[model.eos] = 6.0
    settings = DecodingSettings(beam=3, min_length=3, max_extra=4)
    ours, theirs = both(model, words, lines(6, 70), settings)
    assert {len(one.ids) for one in ours} == {3}
    agree(ours, theirs)


def test_both_rules_stop_where_torch_stops(words):
    model = shaken(transformer.build(SIZE, joint_vocabulary(70)))
    model.output.bias[model.eos] = 1.5
    texts, found = lines(12, 70, longest=5), []
    for rules in ("exact", "transformers"):
        settings = DecodingSettings(beam=2, rules=rules, penalty="plain", length_penalty=2.0, max_extra=6)
        ours, theirs = both(model, words, texts, settings)
        agree(ours, theirs)
        found.append([one.ids for one in ours])
    assert found[0] != found[1], "else this shows nothing"
