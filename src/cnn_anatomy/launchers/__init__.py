"""Launchers: where the runs of a sweep are trained, so that a worker that dies loses no run."""
