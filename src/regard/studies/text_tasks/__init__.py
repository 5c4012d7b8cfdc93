"""Texts in memory for models of every kind: with labels, with hidden words, to be written on, to be translated."""
