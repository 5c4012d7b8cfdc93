"""Public checkpoints: where they come from, what is in their files, and the traps that lie in them."""
