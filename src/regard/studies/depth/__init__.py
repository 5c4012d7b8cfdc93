"""What depth does to the vectors of positions, before any training."""
