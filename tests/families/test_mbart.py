"""mBART against transformers, head by head, and its published size."""

from __future__ import annotations

import pytest
import transformers
from tests.families.parity import open_here
from tests.families.seq2seq import SHAPES, V, count, same_greedy_tokens, same_states_and_logits

from regard.errors import SettingError
from regard.families import mbart
from regard.models.vocabulary import Vocabulary

IDS = {"pad": 1, "eos": 2}
ARCHITECTURES = ["MBartForConditionalGeneration", "MBartForSequenceClassification", "MBartModel"]


def settings(shape, **changes):
    given = {"scale_embedding": True, "decoder_start_token_id": 2, **shape, **changes}
    return transformers.MBartConfig(vocab_size=V, max_position_embeddings=16, **given)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_transformers_computes_the_same(architecture, shape, tmp_path):
    """transformers counts tokens to find the last one, to classify a text; with padding on the left that is another."""
    left = "Classification" not in architecture
    same_states_and_logits("mbart", architecture, settings(shape, num_labels=3), tmp_path, left=left, **IDS)


def test_the_activation_of_the_fine_tuned_models_is_read(tmp_path):
    config = settings(SHAPES[0], activation_function="relu", scale_embedding=False)
    same_states_and_logits("mbart", ARCHITECTURES[0], config, tmp_path, **IDS)


@pytest.mark.parametrize("start", [2, 33], ids=["</s>", "a language"])
def test_greedy_tokens_are_the_same(start, tmp_path):
    model = transformers.MBartForConditionalGeneration(settings(SHAPES[1], decoder_start_token_id=start))
    same_greedy_tokens("mbart", model, tmp_path)


@pytest.mark.parametrize(("said", "found"), [(33, 33), (None, 2)])
def test_what_the_decoder_starts_from_is_in_the_settings(said, found, tmp_path):
    """A pre-trained model says nothing; ``</s>`` is then as good as any."""
    model = transformers.MBartForConditionalGeneration(settings(SHAPES[2], decoder_start_token_id=said))
    model.save_pretrained(tmp_path)
    assert open_here(tmp_path, mbart)[0].start == found


def test_the_published_size_has_its_parameters():
    assert count("mbart", "large", Vocabulary.of_texts(250_027, IDS, start=2)) == 610_851_840


def test_two_vocabularies_are_refused():
    message = r"tokenizer\.joint: got false; expected one vocabulary for both sides with mbart"
    with pytest.raises(SettingError, match=message):
        mbart.vocabulary(9, 8, shared=False, roles=IDS)
