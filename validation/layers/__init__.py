"""Training of the actual layers before and after the head, from samples, by gradient descent."""
