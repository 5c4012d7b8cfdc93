"""How sharp softmax is, and how much gradient it lets through."""
