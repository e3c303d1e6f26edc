"""How fast training and sweeps are, against the hardware's limit and common practice."""
