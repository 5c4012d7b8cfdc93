"""Models with one of the masks left out, and what padding does to them."""
