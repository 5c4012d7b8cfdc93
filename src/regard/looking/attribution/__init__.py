"""What a model made its output of: matrices [T, S], row t says how much output token t owes to each token read."""
