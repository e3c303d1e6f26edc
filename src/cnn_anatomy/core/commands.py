"""Commands as they are typed here: with make in a checkout, else with what a wheel installs."""

from __future__ import annotations

from cnn_anatomy.core.paths import REPOSITORY


def sweep_command(study: str = "", **given: object) -> str:
    """Return the command that sweeps `study`, by default the core ones.

    Args:
        study: its name or file.
        given: what else is given, by the sweeper's key, such as `seeds`.
    """
    if REPOSITORY is None:
        words = [f"hydra.sweeper.{key}={value}" for key, value in given.items()]
        return " ".join(["cnn-anatomy --multirun", f"study={study or 'core'}", *words])
    words = [f"{key.upper()}={value}" for key, value in given.items()]
    return " ".join(["make sweep", *([f"STUDY={study}"] if study else []), *words])
