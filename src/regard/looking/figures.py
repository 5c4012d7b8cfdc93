"""Every picture in one place, and ``save``. Each function takes numbers and texts and returns a matplotlib Figure."""

from __future__ import annotations

from regard.looking.charts import lengths, positional_encoding
from regard.looking.comparing import bleu_by_length, comparison
from regard.looking.intervals import growth, shares
from regard.looking.learning import learning_curve, schedule
from regard.looking.maps import alignment, heads, masks, pointing
from regard.looking.style import picture_suffix, save, themed_svg
from regard.looking.translation_map import translation_map
from regard.looking.trends import Panel, bars, trends
from regard.looking.vectors import neighbours, word_maps

__all__ = [
    "Panel",
    "alignment",
    "bars",
    "bleu_by_length",
    "comparison",
    "growth",
    "heads",
    "learning_curve",
    "lengths",
    "masks",
    "neighbours",
    "picture_suffix",
    "pointing",
    "positional_encoding",
    "save",
    "schedule",
    "shares",
    "themed_svg",
    "translation_map",
    "trends",
    "word_maps",
]
