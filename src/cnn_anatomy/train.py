"""The command: python -m cnn_anatomy.train [--multirun] [OVERRIDES].

Torch and MLflow take seconds to import, so nothing of them is imported before a run begins.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from cnn_anatomy.errors import ConfigError, sentence
from cnn_anatomy.paths import REPOSITORY
from cnn_anatomy.tracking.stop import Stopped


@hydra.main(version_base="1.3", config_path=str(REPOSITORY / "conf"), config_name="train")
def train(config: DictConfig) -> Any:
    """Train one run."""
    from cnn_anatomy.training import run

    hydra_config = HydraConfig.get()
    alone = hydra_config.mode == RunMode.RUN
    try:
        accuracy = run(config, hydra_config.runtime.choices, progress=alone)
    except SystemExit as error:
        raise RuntimeError(f"the run exited with status {error.code}") from error
    except ConfigError as error:  # it has no MLflow run in which the sweep could see it
        if not alone:
            name = f"{config.study}: {config.variant} s{config.seed}"
            print(f"failed: {name}: {sentence(error)}", file=sys.stderr, flush=True)
        raise
    if alone:
        print(f"test accuracy {accuracy:.1%}; the run is in MLflow's experiment {config.study}")
    return accuracy


def main() -> None:
    """Train; a mistake in the configuration is one sentence and exit status 2."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra lets errors through to here
    try:
        train()
    except (ConfigError, HydraException, OmegaConfBaseException) as error:
        print(sentence(error), file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Stopped as error:
        raise SystemExit(error.status) from None


if __name__ == "__main__":
    main()
