"""The command: python -m cnn_anatomy.train [--multirun] [OVERRIDES].

Torch and MLflow take seconds to import, so nothing of them is imported before a run begins.
"""

from __future__ import annotations

import sys
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from cnn_anatomy.paths import REPOSITORY


@hydra.main(version_base="1.3", config_path=str(REPOSITORY / "conf"), config_name="train")
def main(config: DictConfig) -> Any:
    """Train one run; a mistake in the configuration is one sentence and exit status 2."""
    from cnn_anatomy.training import run

    hydra_config = HydraConfig.get()
    swept = hydra_config.mode == RunMode.MULTIRUN
    try:
        return run(config, hydra_config.runtime.choices, progress=not swept)
    except Exception as error:
        cause = error.__cause__ if error.__cause__ is not None else error
        if swept or not isinstance(cause, ValueError):
            raise
        print(cause, file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
