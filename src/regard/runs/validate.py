"""How good the weights of this moment are, on pairs that training does not see."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from regard.data.batching import collate, plan_sequential
from regard.decoding.settings import DecodingSettings
from regard.decoding.translator import Translator
from regard.errors import TrainingError
from regard.evaluation.perplexity import perplexity
from regard.evaluation.translation import corpus_bleu
from regard.models.state import put_weights
from regard.runs.prepare import Prepared
from regard.runs.recipe import Recipe
from regard.training.loop import DIVERGED

GREEDY = DecodingSettings(beam=1)


class Validator:
    """A float32 copy of the model that takes on weights and is measured."""

    def __init__(self, recipe: Recipe, prepared: Prepared, module: Any) -> None:
        self.module = module.eval()
        self.translator = Translator(module, prepared.source, prepared.target)
        self._texts = prepared.valid_texts[: recipe.data.bleu_sentences]
        self._store = prepared.valid
        self._batch_tokens = recipe.train.batch_tokens
        self._threads = recipe.train.threads

    def put(self, weights: Mapping[str, Tensor]) -> None:
        """Take on trained weights."""
        put_weights(self.module, {**weights, "output.bias": self.module.output.bias})

    def record(self, weights: Mapping[str, Tensor]) -> dict[str, float]:
        """Loss in nats per target token without smoothing, its perplexity, and BLEU of greedy translations."""
        self.put(weights)
        measured = self.loss()
        if not math.isfinite(measured.nats_per_token):
            raise TrainingError.because("validation loss", measured.nats_per_token, "a finite number", DIVERGED)
        record = {"valid_loss": measured.nats_per_token, "valid_perplexity": measured.perplexity}
        if self._texts:
            found = self.translator.translate([source for source, _ in self._texts], self._greedy())
            record["valid_bleu"] = corpus_bleu([one.text for one in found], [target for _, target in self._texts])
        return record

    def loss(self) -> Any:
        """Perplexity of the whole validation set."""
        ids = self.module.ids
        longest = int(self._store.lengths.max(initial=0)) + 1
        plan = plan_sequential(self._store.lengths, max(self._batch_tokens, longest))
        with torch.inference_mode():
            batches = (collate(self._store, rows, ids.source_pad, ids.eos, ids.pad) for rows in plan)
            return perplexity(self.module, batches)

    def _greedy(self) -> DecodingSettings:
        return replace(GREEDY, threads=self._threads or torch.get_num_threads())
