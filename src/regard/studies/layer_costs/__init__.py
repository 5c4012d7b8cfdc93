"""Table 1 measured: the layers, their time and memory, the exponents of these, and how far a layer reaches."""
