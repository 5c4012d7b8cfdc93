"""From files to batches, and the built-in data.

lines.py            bytes to lines: UTF-8 checked, ends of lines, Unicode NFC
corpus.py           texts and pairs of texts out of plain text, TSV and JSON lines, .gz or not
clean.py            which pairs to leave out, with a count and examples for each reason
tokenizer.py        text to ids and back; training, saving and loading
tokenizer_kinds.py  what BPE, unigram, byte, character and word have in common and what not
store.py            the ids of a corpus in memory-mapped files
batching.py         batches under a budget of tokens, by (seed, epoch)
inspection.py       what is in a corpus, and what looks wrong with it; its line_facts.py, faults.py and divergence.py
draw.py             random choices that are the same for a seed everywhere
sample.py           the built-in demonstration data; its grammar.py, constructions.py and lexicon.py
"""
