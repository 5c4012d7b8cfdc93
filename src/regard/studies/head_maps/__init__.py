"""What heads look at and what they are good for: distances between their maps, and the model without one of them."""
