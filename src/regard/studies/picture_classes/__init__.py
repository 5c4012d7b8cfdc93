"""Pictures to tell apart, and the models that learn to."""
