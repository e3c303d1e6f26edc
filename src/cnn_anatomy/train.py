"""The command: python -m cnn_anatomy.train [--multirun] [OVERRIDES].

Torch and MLflow take seconds to import, so nothing of them is imported before a run begins.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from cnn_anatomy.checks import check, check_words
from cnn_anatomy.checks.sweep import MISTAKES
from cnn_anatomy.errors import sentence
from cnn_anatomy.paths import REPOSITORY


@hydra.main(version_base="1.3", config_path=str(REPOSITORY / "conf"), config_name="train")
def train(config: DictConfig) -> Any:
    """Train one run."""
    hydra_config = HydraConfig.get()
    choices = hydra_config.runtime.choices
    if hydra_config.mode == RunMode.MULTIRUN:  # the sweeper has checked it
        return _run(config, choices, progress=False)
    try:
        check(config, choices)
        accuracy = _run(config, choices, progress=True)
    except MISTAKES as error:
        _refuse(error)  # here, as Hydra would print the overrides before it
    print(f"test accuracy {accuracy:.1%}; the run is in MLflow's experiment {config.study}")
    return accuracy


def main() -> None:
    """Train; a mistake in the configuration is one sentence and exit status 2."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra lets errors through to here
    try:
        check_words(sys.argv[1:])
        train()
    except MISTAKES as error:
        _refuse(error)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _run(config: DictConfig, choices: Mapping[str, str], *, progress: bool) -> float:
    from cnn_anatomy.training import run

    return run(config, choices, progress=progress)


def _refuse(error: Exception) -> NoReturn:
    print(sentence(error), file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
