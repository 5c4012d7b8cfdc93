"""Section 3 of the paper, a file each: functions of tensors that know nothing of text, batches or training."""
