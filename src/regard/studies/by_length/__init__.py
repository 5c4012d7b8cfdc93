"""How well texts are translated by how long they are: the buckets, and BLEU in each with its uncertainty."""
