"""The ranks of a run: launching them, their exchanges, and the loss of one."""
