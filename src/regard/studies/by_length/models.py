"""Models with and without attention, of about as many parameters each: at the size of the study, and small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regard.studies.frame.pairs import LONGEST

Models = Mapping[str, tuple[str, Mapping[str, Any]]]  # a family and its settings, by name
WITHOUT = "LSTM without attention"
LSTM = {"cell": "lstm", "attention": "none", "bidirectional": False, "reverse": True, "dropout": 0.1}
GRU = {"cell": "gru", "attention": "additive", "dropout": 0.1}
CONVOLUTION = {"dropout": 0.1, "longest": 2 * LONGEST}
TRANSFORMER = {"layers": 2, "heads": 4, "dropout": 0.1, "norm": "pre"}
MODELS: Models = {
    WITHOUT: ("rnn", {**LSTM, "d_embedding": 128, "d_model": 256}),
    "GRU with attention": ("rnn", {**GRU, "d_embedding": 128, "d_model": 176, "d_encoder": 128}),
    "convolution": ("convs2s", {**CONVOLUTION, "layers": 3, "d_embedding": 128, "d_model": 128}),
    "Transformer": ("transformer", {**TRANSFORMER, "d_model": 128, "d_ff": 512}),
}
SMALL: Models = {
    WITHOUT: ("rnn", {**LSTM, "d_embedding": 64, "d_model": 128}),
    "GRU with attention": ("rnn", {**GRU, "d_embedding": 64, "d_model": 96, "d_encoder": 64}),
    "convolution": ("convs2s", {**CONVOLUTION, "layers": 2, "d_embedding": 64, "d_model": 64}),
    "Transformer": ("transformer", {**TRANSFORMER, "d_model": 64, "d_ff": 192}),
}
