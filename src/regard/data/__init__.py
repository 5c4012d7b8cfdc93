"""From files to batches.

lines.py         bytes to lines: UTF-8 checked, ends of lines, Unicode NFC
corpus.py        texts, pairs and tables out of plain text, TSV and JSON lines, .gz or not
clean.py         which pairs to leave out, with a count and examples for each reason
tokenizers/      text to ids and back: learnt here, or out of a public model's files
labels.py        labels to ids
store.py         the columns of a corpus as ids in memory-mapped files
batching.py      batches under a budget of tokens, by (seed, epoch); template.py puts special tokens around texts
packing.py       documents as blocks for the next token; noise.py hides, leaves out and moves tokens
inspection.py    what is in a corpus, and what looks wrong with it; its line_facts.py, faults.py and divergence.py
builtin/         the built-in demonstration data
"""
