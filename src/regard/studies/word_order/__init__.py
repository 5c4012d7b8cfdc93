"""What a model makes of the order of its words: exactly, in the built-in sentences, and as codes of positions."""
