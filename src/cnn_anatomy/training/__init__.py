"""One run: building what its configuration names, training and testing it."""
