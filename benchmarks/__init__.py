"""How fast the repository is, against what its parts could do and what is usual."""
