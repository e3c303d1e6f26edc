"""A study as a Hydra sweep."""
