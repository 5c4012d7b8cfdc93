"""Models with and without attention, of about as many parameters each: at the size of the study, and twins, small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regard.studies.frame.pairs import LONGEST

Models = Mapping[str, tuple[str, Mapping[str, Any]]]  # a family and its settings, by name
WITHOUT, WITH = "LSTM without attention", "LSTM with attention"
LSTM = {"cell": "lstm", "bidirectional": False, "reverse": True, "dropout": 0.1}
NONE, DOT = {"attention": "none"}, {"attention": "dot"}  # of Luong et al. (2015): it adds the fewest parameters
GRU = {"cell": "gru", "attention": "additive", "dropout": 0.1}
CONVOLUTION = {"dropout": 0.1, "longest": 2 * LONGEST}
TRANSFORMER = {"layers": 2, "heads": 4, "dropout": 0.1, "norm": "pre"}
MODELS: Models = {
    WITHOUT: ("rnn", {**LSTM, **NONE, "d_embedding": 128, "d_model": 256}),
    WITH: ("rnn", {**LSTM, **DOT, "d_embedding": 128, "d_model": 256}),
    "GRU with attention": ("rnn", {**GRU, "d_embedding": 128, "d_model": 176, "d_encoder": 128}),
    "convolution": ("convs2s", {**CONVOLUTION, "layers": 3, "d_embedding": 128, "d_model": 128}),
    "Transformer": ("transformer", {**TRANSFORMER, "d_model": 128, "d_ff": 512}),
}
SMALL: Models = {
    WITHOUT: ("rnn", {**LSTM, **NONE, "d_embedding": 64, "d_model": 128}),
    WITH: ("rnn", {**LSTM, **DOT, "d_embedding": 64, "d_model": 128}),
}
