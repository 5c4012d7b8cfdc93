"""An encoder by itself: what it computes is what its parts compute, and its laws whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from regard.families import albert, bert, roberta
from regard.layers.mask import padding_mask
from regard.models.encoder_model import EncoderModel
from regard.models.heads import LANGUAGE, Head
from regard.models.vocabulary import Vocabulary

V, PAD = 23, 1
IDS = Vocabulary.of_texts(V, {"pad": PAD, "bos": 0, "eos": 2})
CLASSES, TAGS = Head("classification", ("a", "b", "c")), Head("tokens", ("x", "y"))
EXACT = {"rtol": 0, "atol": 1e-12}

pytestmark = pytest.mark.usefixtures("path")


def make(family, head: Head = LANGUAGE, vocabulary: Vocabulary = IDS) -> EncoderModel:
    model = family.build(family.TOY, vocabulary, head)
    for name, weight in model.named_parameters():
        noise = 0.3 * torch.randn_like(weight)
        weight.copy_(1 + noise if "norm.weight" in name else noise)
    return model.double().eval()


@pytest.fixture(params=[bert, roberta, albert], ids=["bert", "roberta", "albert"])
def family(request) -> Iterator[object]:
    with torch.no_grad():
        yield request.param


def texts(rows: int = 3, length: int = 7) -> torch.Tensor:
    ids = torch.randint(2, V, (rows, length))
    ids[1, 4:] = PAD
    return ids


def test_a_text_is_read_alone_as_it_is_in_a_batch(family):
    model, ids = make(family), texts()
    whole = model(ids)
    for row, length in enumerate([7, 4, 7]):
        torch.testing.assert_close(model(ids[row : row + 1, :length])[0], whole[row, :length], **EXACT)


def test_the_order_of_a_batch_is_irrelevant(family):
    model, ids = make(family), texts()
    torch.testing.assert_close(model(ids[[2, 0, 1]]), model(ids)[[2, 0, 1]], **EXACT)


def test_every_token_sees_every_other(family):
    model, ids = make(family), torch.randint(2, V, (1, 6))
    for place in range(6):
        changed = ids.clone()
        changed[0, place] = (ids[0, place] - 1) % (V - 2) + 2
        assert (model(changed) - model(ids)).abs().amax(2).min() > 1e-9


def test_without_padding_nothing_is_hidden(family):
    none = Vocabulary.of_texts(V, {})
    model, ids = make(family, vocabulary=none), texts()
    padded = make(family)
    assert model.ids.pad is None
    assert (model(ids)[1, :4] - model(ids[1:2, :4])[0]).abs().max() > 1e-6
    assert padding_mask(ids, padded.ids.pad).sum() == 18


def test_the_logits_are_products_with_every_row_of_what_the_transform_makes(family):
    model, ids = make(family), texts()
    read = model.transform(model(ids))
    expected = torch.einsum("bte,ve->btv", read, model.encoder.embed.tokens.weight) + model.output.bias
    torch.testing.assert_close(model.logits(model(ids)), expected, **EXACT)
    assert model.output.bias.requires_grad


def test_some_states_alone_may_be_asked_for_their_logits(family):
    model, ids = make(family), texts()
    chosen, hidden = ids == ids.amax(), model(ids)
    torch.testing.assert_close(model.logits(hidden[chosen]), model.logits(hidden)[chosen], **EXACT)


@pytest.mark.parametrize(("head", "shape"), [(CLASSES, (3, 3)), (TAGS, (3, 7, 2)), (Head("none"), (3, 16))])
def test_classes_are_of_texts_or_of_tokens(family, head, shape):
    model, ids = make(family, head), texts()
    assert model.classify(ids).shape == shape
    assert model.output is None
    assert torch.equal(model.transform(model(ids)), model(ids))
    torch.testing.assert_close(model.classify(ids), model.head(model(ids), ids), **EXACT)


def test_what_a_model_does_not_have_it_is_not_asked_for(family):
    ids = texts()
    with pytest.raises(AssertionError, match="a model without a head has no classes"):
        make(family).classify(ids)
    classifier = make(family, CLASSES)
    with pytest.raises(AssertionError, match="a model without an output layer predicts no tokens"):
        classifier.logits(classifier(ids))


def test_the_longest_text_is_known(family):
    model = make(family)
    assert model.most_tokens == family.TOY.longest == 64
    assert model(torch.randint(2, V, (1, 64))).shape == (1, 64, 16)
