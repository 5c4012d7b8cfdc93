"""Text ↔ ids: tokenizers that are learnt here, and those of public models in whatever files they come."""
