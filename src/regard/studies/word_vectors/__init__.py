"""From a text to a vector for each word: by counting, by learning, or out of a trained model."""
