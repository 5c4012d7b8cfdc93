"""What the C++ code is handed, field by field: the structs of layers.h, model.h, search.h and engine.cpp."""

from __future__ import annotations

from ctypes import POINTER, Structure, c_double, c_float, c_int32, c_int64, c_void_p


class LinearView(Structure):
    """W [outputs, inputs], and a bias or none."""

    _fields_ = [("weight", c_void_p), ("bias", c_void_p), ("inputs", c_int32), ("outputs", c_int32)]


class NormView(Structure):
    """``kind``: 0 none, 1 layer norm, 2 RMS norm."""

    _fields_ = [("weight", c_void_p), ("bias", c_void_p), ("epsilon", c_float), ("kind", c_int32)]


class AttentionView(Structure):
    """Multi-head attention; widths of a head are padded."""

    _fields_ = [
        *((name, LinearView) for name in ("projections", "remembered", "output")),
        *((name, c_int32) for name in ("heads", "groups", "key_width", "value_width", "turned")),
    ]


class FeedForwardView(Structure):
    """The feed-forward network."""

    _fields_ = [("inner", LinearView), ("outer", LinearView), ("activation", c_int32), ("gated", c_int32)]


class BlockView(Structure):
    """A layer; one of the encoder has no ``cross``."""

    _fields_ = [
        *((name, AttentionView) for name in ("self", "cross")),
        ("feed_forward", FeedForwardView),
        *((name, NormView) for name in ("self_norm", "cross_norm", "feed_forward_norm")),
        ("norm_first", c_int32),
    ]


class StackView(Structure):
    """One half of the model."""

    _fields_ = [
        ("tokens", c_void_p),
        ("blocks", POINTER(BlockView)),
        *((name, NormView) for name in ("embedding_norm", "final_norm")),
        ("scale", c_float),
        ("count", c_int32),
    ]


class ModelView(Structure):
    """The whole model. ``bytes``: products in 8 bits."""

    _fields_ = [
        *((name, StackView) for name in ("encoder", "decoder")),
        ("output", LinearView),
        *((name, c_int32) for name in ("width", "vocabulary", "start", "bytes")),
    ]


class SettingsView(Structure):
    """How to search."""

    _fields_ = [
        *((name, c_int32) for name in ("beam", "slots", "n_best", "greedy", "exact", "free", "min_length")),
        *((name, c_int32) for name in ("no_repeat", "forced_first", "ends_count", "suppressed_count")),
        *((name, c_double) for name in ("alpha", "offset")),
        *((name, c_void_p) for name in ("ends", "suppressed")),
    ]


class TablesView(Structure):
    """What places add to vectors, or turn heads by."""

    _fields_ = [(name, c_void_p) for name in ("encoder", "decoder", "cosines", "sines")]


class JobView(Structure):
    """What to translate, and how."""

    _fields_ = [
        ("settings", SettingsView),
        ("tables", TablesView),
        ("count", c_int32),
        ("workers", c_int32),
        ("most_tokens", c_int64),
        *((name, c_void_p) for name in ("ids", "places", "starts", "limits")),
    ]
