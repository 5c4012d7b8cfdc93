"""Steps of training in C++, each one pass over memory, where a compiler is found. Nothing requires them."""
