"""Blocks, stacks and whole models, put together from layers that are handed in."""
