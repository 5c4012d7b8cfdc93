"""A run: the folder that training fills and that everything else opens."""
