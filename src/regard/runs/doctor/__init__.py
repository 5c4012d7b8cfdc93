"""What ``regard doctor`` looks at: the machine, the software, the folders, and sums whose answers are known."""
