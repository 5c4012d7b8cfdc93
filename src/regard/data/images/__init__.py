"""Pictures: read from files, kept as numbers on disk, varied, and put together into batches."""
