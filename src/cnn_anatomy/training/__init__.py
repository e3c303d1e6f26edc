"""One run: building what its configuration names, training it, testing it, recording it."""
