"""A word to be recalled long after it was read: the texts, the models that read them, and their gradients."""
