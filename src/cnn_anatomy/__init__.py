"""CNN Anatomy: what is said about the structure of convolutional networks, put to experiment."""
