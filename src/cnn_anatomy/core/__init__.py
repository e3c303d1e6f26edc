"""Errors, paths, hardware, atomic writes and interrupts: what every other package builds on."""
