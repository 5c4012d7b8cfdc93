"""What the studies of texts learn from, and how they measure it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from regard.data.batching import IGNORED
from regard.data.builtin.constructions import Sentence
from regard.data.builtin.lexicon import ANIMALS, PERSONS
from regard.models.heads import Head
from regard.studies.frame.verdict import hits_differ
from regard.studies.text_tasks.few_labels import chosen_first
from regard.studies.text_tasks.kinds import at_mask, from_left, from_nothing, kinds, translated, written_on
from regard.studies.text_tasks.measures import (
    Nats,
    chain_rule_nats,
    hits,
    hits_of_word_bag,
    nats_differ,
    next_token_nats,
)
from regard.studies.text_tasks.texts import (
    continued,
    continued_feed,
    labelled_feed,
    masked_feed,
    next_tokens,
    pairs_feed,
    text_model,
    tokenizer_of,
)
from regard.studies.text_tasks.who_acts import label_of, who_acts

TEXTS = ["the cat saw the dog", "a dog ran", "the man saw a cat now"]
TINY = {"layers": 1, "d_model": 16, "d_ff": 24, "heads": 4, "longest": 24, "dropout": 0.0, "attention_dropout": 0.0}


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of(TEXTS)


def drawn(family, tokenizer, **further):
    """A model whose weights are large enough to tell every word from every other."""
    torch.manual_seed(3)
    model = text_model(family, TINY | further, tokenizer).double()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.7)
    return model.eval().requires_grad_(False)


def test_the_label_is_the_kind_of_the_last_noun_but_one():
    cat, woman = ANIMALS[5].english, PERSONS[0].english
    assert label_of(Sentence("", "", (cat, woman))) == "animal"
    assert label_of(Sentence("", "", (cat, woman, cat))) == "person"
    assert label_of(Sentence("", "", (woman, woman))) is None
    assert label_of(Sentence("", "", (woman, "coat"))) is None
    assert label_of(Sentence("", "", (woman,))) is None


def test_labels_take_turns_in_different_sentences_and_the_first_of_the_two_nouns_acts():
    rows = who_acts("test", 40, 7)
    assert [label for _, label in rows] == ["animal", "person"] * 20
    assert len({text for text, _ in rows}) == 40
    animals = {form for noun in ANIMALS for form in (noun.english, noun.plural)}
    for text, label in rows:
        if text.startswith(("When", "I ", "We ", "They ")) or " that " in text or " when " in text:
            continue  # more than two nouns, in which order grammar decides
        nouns = animals | {form for noun in PERSONS for form in (noun.english, noun.plural)}
        first = next(word for word in text.rstrip(".?").split() if word in nouns)
        assert (first in animals) == (label == "animal"), text


def test_next_tokens_are_the_text_moved_by_one(tokenizer):
    (one, two) = tokenizer.encode_batch(TEXTS[:2])
    batch = next_tokens([one, two], tokenizer)
    assert batch.ids[0].tolist() == [tokenizer.bos, *one]
    assert batch.labels[0].tolist() == [*one, tokenizer.eos]
    assert batch.labels[1].tolist() == [*two, tokenizer.eos] + [IGNORED] * (len(one) - len(two))
    assert batch.target_tokens == len(one) + len(two) + 2


def test_of_a_continued_text_only_the_second_half_is_asked(tokenizer):
    source, target = tokenizer.encode_batch(TEXTS[1:])
    batch = continued([source], [target], tokenizer)
    assert batch.ids[0].tolist() == [tokenizer.bos, *source, tokenizer.eos, *target]
    assert batch.labels[0].tolist() == [IGNORED] * (len(source) + 1) + [*target, tokenizer.eos]
    assert batch.target_tokens == len(target) + 1


def test_pairs_and_labels_stand_between_the_ends(tokenizer):
    one, two, three = tokenizer.encode_batch(TEXTS)
    feed = pairs_feed([one, []], [two, three], tokenizer, 64, 1)
    batch = feed.collate(np.array([1]))
    assert batch.source.tolist() == [[tokenizer.bos, tokenizer.eos]]
    assert batch.target.tolist() == [[*three, tokenizer.eos]]
    labelled = labelled_feed([one, two], [1, 0], tokenizer, 64, 1)
    found = labelled.collate(np.array([1, 0]))
    assert found.labels.tolist() == [0, 1]
    assert found.ids[0, : len(two) + 2].tolist() == [tokenizer.bos, *two, tokenizer.eos]
    assert sorted(row for rows in labelled.epoch(0) for row in rows) == [0, 1]


def test_an_update_has_the_same_pairs_for_a_decoder_and_for_an_encoder_decoder(tokenizer):
    texts = tokenizer.encode_batch([TEXTS[number % 3] for number in range(40)])
    alone, both = (feed(texts, texts[::-1], tokenizer, 48, 1).epoch(0) for feed in (continued_feed, pairs_feed))
    assert len(alone) > 1
    assert [list(rows) for rows in alone] == [list(rows) for rows in both]


def test_hidden_tokens_are_of_the_text_alone(tokenizer):
    ids = tokenizer.encode_batch(TEXTS)
    feed = masked_feed(ids, tokenizer, 64, 1, 0.9)
    batch = feed.collate(np.array([0]))
    assert batch.labels[0, 0] == batch.labels[0, -1] == IGNORED
    asked = batch.labels[0, 1:-1] != IGNORED
    assert bool(asked.any())
    assert batch.labels[0, 1:-1][asked].tolist() == torch.tensor(ids[0])[asked].tolist()


def test_the_chain_rule_word_by_word_agrees_with_all_places_at_once(tokenizer):
    model = drawn("gpt2", tokenizer)
    ids = tokenizer.encode_batch(TEXTS)
    slow = chain_rule_nats(model, from_left(model, tokenizer), ids)
    fast = next_token_nats(model, ids, tokenizer)
    ends = [
        -float(model.logits(model(torch.tensor([[tokenizer.bos, *text]])))[0, -1].log_softmax(-1)[tokenizer.eos])
        for text in ids
    ]
    assert np.allclose(fast.nats, slow.nats + ends, atol=1e-9)
    assert fast.tokens.tolist() == [len(text) + 1 for text in ids]
    assert slow.tokens.tolist() == [len(text) for text in ids]


@pytest.mark.parametrize(("family", "reader"), [("gpt2", from_left), ("bert", at_mask), ("bart", from_nothing)])
def test_what_follows_adds_up_to_one_over_every_word_of_two(tokenizer, family, reader):
    model = drawn(family, tokenizer)
    pairs = [[first, second] for first in range(tokenizer.size) for second in range(tokenizer.size)]
    found = chain_rule_nats(model, reader(model, tokenizer), pairs)
    assert sum(math.exp(-nats) for nats in found.nats) == pytest.approx(1.0, abs=1e-9)
    assert np.ptp(found.nats) > 1.0


def test_a_decoder_translates_behind_the_source_as_step_by_step(tokenizer):
    model = drawn("gpt2", tokenizer, longest=40)
    sources = tokenizer.encode_batch(TEXTS)
    expected = []
    for source in sources:
        begun = [tokenizer.bos, *source, tokenizer.eos]
        most = max(map(len, sources)) + 2 + 12 - 1  # the last token is the end
        written: list[int] = []
        while len(written) < most and (not written or written[-1] != tokenizer.eos):
            written.append(int(model.logits(model(torch.tensor([begun + written])))[0, -1].argmax()))
        expected.append(tokenizer.decode([one for one in written if one != tokenizer.eos]))
    assert written_on(model, tokenizer, TEXTS) == expected
    assert len(set(expected)) > 1


def test_an_encoder_decoder_translates_every_text(tokenizer):
    assert len(translated(drawn("bart", tokenizer), tokenizer, TEXTS)) == 3


def test_the_three_kinds_are_of_one_size(tokenizer):
    counts = [
        sum(weight.numel() for weight in text_model(kind.family, kind.settings, tokenizer).parameters())
        for kind in kinds(64, 1, 0.15)
    ]
    assert max(counts) < 1.1 * min(counts)


def test_hits_say_where_the_likelier_class_is_the_label(tokenizer):
    model = text_model("bert", TINY, tokenizer, Head("classification", ("no", "yes")))
    with torch.no_grad():
        model.head.output.weight.zero_()
        model.head.output.bias.copy_(torch.tensor([0.0, 1.0]))
    rows = [(TEXTS[0], "yes"), (TEXTS[1], "no"), (" ".join(TEXTS), "yes")]
    assert hits(model, tokenizer, ("no", "yes"), rows).tolist() == [1.0, 0.0, 1.0]


def test_a_bag_of_words_knows_words_and_no_order():
    words = [("good day", "a"), ("bad day", "b"), ("a good man", "a"), ("a bad man", "b")] * 5
    assert hits_of_word_bag(words, [("good", "a"), ("bad", "b"), ("bad", "a")]).tolist() == [1.0, 1.0, 0.0]
    order = [("cat sees dog", "a"), ("dog sees cat", "b")] * 5
    assert hits_of_word_bag(order, order[:2]).sum() == 1.0


def test_differences_are_sure_only_where_nearly_all_texts_agree():
    bad, good = np.zeros(50), np.ones(50)
    assert hits_differ([bad], [good]).larger
    assert hits_differ([bad], [good]).value == 100
    assert not hits_differ([bad], [bad]).sure
    low, high = Nats(np.full(50, 10.0), np.full(50, 5)), Nats(np.full(50, 20.0), np.full(50, 5))
    assert low.per_token == 2.0
    assert nats_differ([low], [high]).value == pytest.approx(2.0)
    assert nats_differ([high], [low]).smaller
    assert nats_differ([high, high], [low, low]).smaller


def test_every_label_comes_first_and_fewer_rows_are_part_of_more():
    rows = [(f"text {number}", "rare" if number == 17 else "often") for number in range(30)]
    found = chosen_first(rows, 4)
    assert {label for _, label in found[:2]} == {"rare", "often"}
    assert sorted(found) == sorted(rows)
    assert found != chosen_first(rows, 5)
