"""Launchers: Hydra's own on joblib, submitit and Ray, made to lose no run when a worker dies.

Each has `workers`, how many runs it trains at once. A launcher whose workers do not take each
other down returns a failed job for one that died, and raises nothing for it.
"""
