"""What models of several sizes lose on held-out text, on the way and in the end."""
