"""What is learnt from a batch, a file each."""
