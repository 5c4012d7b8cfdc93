from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
import torch

from regard.data.tokenizers.layout import LAYOUTS
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.decoding.completer import Completer
from regard.decoding.settings import DecodingSettings
from regard.errors import DataError, SettingError
from regard.families import gpt2
from regard.models.vocabulary import Vocabulary

SAMPLING = DecodingSettings(sample=True, max_new=12, seed=4)
EVERY = [DecodingSettings(beam=1, max_new=12), DecodingSettings(beam=3, n_best=2, max_new=9), SAMPLING]


class Spelling:
    """A piece is a byte, number 256 the end; a line break is a byte like others."""

    eos, bos = 256, 256

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [list(text.encode()) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(index for index in ids if index < 256).decode(errors="replace")


class LlamaSpelling(Spelling):
    """The same, but a text begins with number 257."""

    bos = 257

    def wrap(self, first, second=None):
        class Wrapped:
            ids = (257, *first)
            types = (0,) * (len(first) + 1)

        return Wrapped()


def writer(vocabulary=258, eos=256, longest=64):
    """A tiny GPT-2 that does not repeat itself, and ends now and then."""
    # Torch rounds the last d_ff mod 32 numbers of a GELU unlike the others, which would fall into some row or other.
    config = gpt2.Config(layers=2, d_model=16, d_ff=32, heads=4, longest=longest)
    model = gpt2.build(config, Vocabulary.of_texts(vocabulary, {"eos": eos, "bos": eos, "pad": eos})).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.4) if weight.ndim == 2 else weight.add_(torch.randn_like(weight) * 0.4)
        model.stack.final_norm.weight.normal_()
        model.stack.final_norm.bias.add_(0.4 * model.stack.embed.tokens.weight[eos])
    return model


@pytest.fixture
def completer():
    return Completer(writer(), Spelling())


def some_prompts(count):
    return ["".join(random.choices("abc äß€\n", k=random.randint(1, 12))) for _ in range(count)]


@pytest.mark.parametrize("settings", EVERY)
def test_a_prompt_completes_bit_for_bit_the_same_alone_and_in_any_batch(completer, settings):
    prompts = [*some_prompts(8), "a", "ab", "bc", "ca", "cb", "ba", "", "b"]
    together = completer.complete(prompts, settings)
    assert len({one.ids for one in together}) > 6
    narrow = DecodingSettings(**{**vars(settings), "batch_tokens": 1})
    assert completer.complete(prompts, narrow) == together
    if not settings.sample:  # there a draw depends on the number too
        assert [completer.complete([prompt], settings)[0] for prompt in prompts] == together


@pytest.mark.parametrize("settings", [EVERY[0], SAMPLING, DecodingSettings(sample=True, temperature=2.0, seed=1)])
@pytest.mark.parametrize("prompt", ["", "a", "Ein Hund läuft €", "b\n"])
def test_the_pieces_of_a_stream_are_the_completion(completer, settings, prompt):
    pieces = list(completer.stream(prompt, settings))
    (found,) = completer.complete([prompt], settings)
    assert "".join(pieces) == found.text
    assert all(pieces)


def test_a_stream_of_whole_characters_has_no_broken_ones():
    lines = ["the other Über 你好 🙂 naïve", "thee Über all other\n好"]
    tokenizer = train_tokenizer(lines * 3, TokenizerSettings(kind="bpe", spaces="keep", size=280), LAYOUTS["gpt2"])
    model = writer(tokenizer.size, tokenizer.eos, longest=128)
    completer = Completer(model, tokenizer)
    settings = DecodingSettings(sample=True, max_new=60, temperature=3.0)
    pieces = list(completer.stream("Über", settings))
    (found,) = completer.complete(["Über"], settings)
    assert "".join(pieces) == found.text == tokenizer.decode([*tokenizer.encode("Über"), *found.ids])[4:]
    assert len(pieces) > 2


def test_while_a_stream_waits_nothing_of_the_caller_is_changed(completer):
    completer.module.train()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        settings = DecodingSettings(sample=True, max_new=10, temperature=3.0)
        stream = completer.stream("a", settings)
        begin = next(stream)
        assert torch.get_num_threads() == 2
        assert completer.module.training
        assert not torch.is_inference_mode_enabled()
        assert begin + "".join(stream) == completer.complete(["a"], settings)[0].text  # without dropout
    finally:
        torch.set_num_threads(threads)


def test_cached_completion_is_the_full_forward_pass():
    completer = Completer(writer().double(), Spelling())
    settings = DecodingSettings(beam=1, max_new=8, penalty="plain", length_penalty=0.0)
    for prompt, found in zip(("a", "bc ä"), completer.complete(["a", "bc ä"], settings), strict=True):
        text, total = list(prompt.encode()), 0.0
        while len(text) < len(prompt.encode()) + 8 and text[-1] != 256:
            logits = completer.module.logits(completer.module(torch.tensor([text])))[0, -1]
            text.append(int(logits.argmax()))
            total += logits.log_softmax(dim=0)[text[-1]].item()
        (one,) = found.n_best
        assert [*one.ids, *[256] * one.ended] == text[len(prompt.encode()) :]
        assert one.score == one.log_probability == pytest.approx(total, abs=1e-9)
        assert len(one.token_log_probabilities) == len(one.ids) + one.ended


def test_a_completion_has_at_most_max_new_tokens_and_says_whether_it_ended(completer):
    settings = DecodingSettings(sample=True, n_best=5, max_new=4, temperature=1.5)
    found = [one for each in completer.complete(some_prompts(20), settings) for one in each.n_best]
    assert {len(one.ids) for one in found if not one.ended} == {4}
    assert {len(one.ids) for one in found if one.ended} <= {0, 1, 2, 3}
    assert {one.ended for one in found} == {True, False}


@pytest.mark.parametrize("settings", EVERY)
def test_writing_stops_where_the_model_has_no_more_positions(settings):
    completer = Completer(writer(longest=10), Spelling())
    settings = DecodingSettings(**{**vars(settings), "suppress": (256,), "max_new": 20})
    found = completer.complete(["a" * 4, "a" * 10], settings)
    assert [len(one.ids) for one in found] == [7, 1]
    expected = r"prompt 2: got 11 tokens; expected at most 10 for this model \(its positions\); shorten it"
    with pytest.raises(DataError, match=expected):
        completer.complete(["a", "a" * 11], settings)


def test_without_a_limit_of_its_own_a_model_reads_max_source(completer):
    completer.module.most_tokens = None
    with pytest.raises(DataError, match=r"at most 3 for this model \(max_source\)"):
        completer.complete(["abcd"], DecodingSettings(beam=1, max_source=3))


def test_an_empty_prompt_begins_as_the_tokenizer_has_it(completer):
    seen = []
    begin = completer.module.start_decoding

    def record(source, beams=1):
        seen.append(source[0].tolist())
        return begin(source, beams)

    completer.module.start_decoding = record
    completer.complete(["", "a"], EVERY[0])
    Completer(completer.module, LlamaSpelling()).complete(["", "a"], EVERY[0])
    assert seen == [[256], [257, 97], [257]]
    assert Completer(completer.module, Spelling()).complete([]) == []


def test_line_breaks_stay_and_the_prompt_is_not_repeated(completer):
    settings = DecodingSettings(beam=1, max_new=3, forced_first=10)
    (found,) = completer.complete(["ab"], settings)
    assert found.ids[0] == 10
    assert found.text.startswith("\n")
    assert found.text == bytes(found.ids).decode(errors="replace")
    assert found.score == found.n_best[0].score


def test_repeats_count_the_prompt(completer):
    prompt = bytes(range(0, 128)).decode()
    completer = Completer(writer(longest=300), Spelling())
    (found,) = completer.complete([prompt], DecodingSettings(beam=1, no_repeat_ngram=1, max_new=50))
    assert found.ids
    assert not set(found.ids) & set(range(128))
    free = completer.complete([prompt], DecodingSettings(beam=1, max_new=50))[0].ids
    assert set(free) & set(range(128)) or len(set(free)) < len(free)


@pytest.mark.parametrize("settings", EVERY)
def test_progress_counts_every_prompt(completer, settings):
    seen = []
    completer.complete(["a", "b", "cc", ""], settings, progress=seen.append)
    assert seen == [1, 4]


def test_a_stream_cannot_search_a_beam_or_show_several_outputs(completer):
    with pytest.raises(SettingError, match="got 4; expected 1 or sample, for a stream"):
        completer.stream("a", DecodingSettings())
    with pytest.raises(SettingError, match="got 2; expected 1, for a stream"):
        completer.stream("a", DecodingSettings(sample=True, n_best=2))
    with pytest.raises(DataError, match="expected at most 64 for this model"):
        completer.stream("a" * 65)


def test_only_a_torch_module_can_complete():
    class Plain:
        source_pad = eos = 0

        def start_decoding(self, source, beams=1): ...

        def step(self, tokens, state): ...

    with pytest.raises(TypeError, match="the model is a Plain, not a torch module"):
        Completer(Plain(), Spelling())
