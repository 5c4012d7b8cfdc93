"""The compiled decoder: the searches of this package over an encoder–decoder, in C++, where a compiler is found."""
