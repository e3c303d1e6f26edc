"""Environment variables that other programs read: which ones may not be set, and why.

A run's result follows from its configuration and its key. What PyTorch Lightning, torchrun, Slurm,
PyTorch and MLflow read from the environment is therefore

- **part of the configuration**: MLFLOW_TRACKING_URI, CNN_ANATOMY_CACHE, CNN_ANATOMY_OUTPUTS,
  WORKERS, RUNS_PER_GPU (see conf/), or of the hardware, as CUDA_VISIBLE_DEVICES;
  CNN_ANATOMY_STUDIES finds studies;
- **refused** (`REFUSED`, and a process group that is not whole), as it would change numbers or lose
  them in silence;
- or **ignored**: PL_GLOBAL_SEED and PL_SEED_WORKERS (seeds are given), SLURM_NTASKS and the like (a
  single process tells Lightning that it is alone), OMP_NUM_THREADS and MKL_NUM_THREADS (`threads`
  is set), MLFLOW_RUN_ID, MLFLOW_EXPERIMENT_NAME and MLFLOW_EXPERIMENT_ID (runs are named in full),
  and what picks a processor's instructions, as ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA and
  MKL_CBWR: they change last digits, as another processor does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import STORE_VARIABLE
from cnn_anatomy.core.uris import without_secrets

# Pattern of the names → what to do instead.
REFUSED = {
    "PL_TRAINER_*": "give trainer.{key}={value} instead",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "give trainer.precision instead",
    "NVIDIA_TF32_OVERRIDE": "give trainer.precision instead",
    "ONEDNN_DEFAULT_FPMATH_MODE": "give trainer.precision=bf16-mixed instead",
    "DNNL_DEFAULT_FPMATH_MODE": "give trainer.precision=bf16-mixed instead",
    "TORCH_COMPILE_DISABLE": "give compile=false instead",
    "TORCHDYNAMO_DISABLE": "give compile=false instead",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "metrics that it holds back are lost when a run is stopped",
}
GROUP = ("RANK", "LOCAL_RANK", "WORLD_SIZE")  # of a process that torchrun or srun started
ADDRESS = ("MASTER_ADDR", "MASTER_PORT")


def check_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Check the variables that would change a result behind its configuration's back.

    Raises:
        ConfigError: if one is set, or those of a process group are not whole.
    """
    for name, value in sorted(environment.items()):
        for pattern, instead in REFUSED.items():
            if fnmatchcase(name, pattern) and value:
                key = name.removeprefix("PL_TRAINER_").lower()
                raise ConfigError(
                    f"{name}={value} is set in the environment, where no run's configuration shows "
                    f"it: unset it; {instead.format(key=key, value=value)}"
                )
    _check_utf8(f"{STORE_VARIABLE}={environment.get(STORE_VARIABLE, '')}")
    _check_process_group(environment)


def check_command_line(words: Sequence[str]) -> None:
    """Check that every word is UTF-8, and that none gives the store's password, which others see.

    Raises:
        ConfigError: if one is not, or if one does, as every user can list command lines.
    """
    for word in words:
        _check_utf8(word)
        key, _, uri = word.partition("=")
        if key.lstrip("+") == "tracking.uri" and without_secrets(uri) != uri:
            raise ConfigError(
                f"{without_secrets(word)} has a password on the command line, which every user of "
                "this machine can list: set MLFLOW_TRACKING_URI in the environment instead"
            )


def _check_utf8(word: str) -> None:
    shown = word.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if shown != word:  # Python stands surrogates in for other bytes
        raise ConfigError(f"{shown} is no UTF-8: rename what it names, or write it in UTF-8")


def _check_process_group(environment: Mapping[str, str]) -> None:
    values = {name: environment[name] for name in GROUP if environment.get(name)}
    for name, value in values.items():
        if not value.isdigit():
            raise ConfigError(f"{name}={value} is no whole number from 0 up: unset it")
    world = int(values.get("WORLD_SIZE", 1))
    for name in ("RANK", "LOCAL_RANK"):
        if int(values.get(name, 0)) >= max(world, 1):
            size = values.get("WORLD_SIZE", "")
            raise ConfigError(
                f"{name}={values[name]} is no process of WORLD_SIZE={size}: it was left over from "
                "torchrun; unset it"
            )
    missing = [name for name in ("RANK", *ADDRESS) if world > 1 and not environment.get(name)]
    if missing:
        raise ConfigError(
            f"WORLD_SIZE={world} is set without {missing[0]}: it was left over from torchrun; "
            "unset it, or start the processes with torchrun"
        )
