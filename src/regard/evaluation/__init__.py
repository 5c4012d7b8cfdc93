"""How good a model is: scores of its translations, perplexity, and comparisons of several runs."""
