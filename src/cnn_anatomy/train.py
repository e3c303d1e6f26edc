"""The command: python -m cnn_anatomy.train [--multirun] [OVERRIDES].

Or evaluate CHECKPOINT [OVERRIDES], or new KIND NAME.

Torch and MLflow take seconds to import, so nothing of them is imported before a run begins.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.config.command_help import command_help
from cnn_anatomy.config.options import check_option_names
from cnn_anatomy.config.saved_config import saved_config
from cnn_anatomy.config.saved_words import OVERRIDES, inherited_words, saved_words
from cnn_anatomy.config.search_path import add_config_folders, longer_search_path
from cnn_anatomy.config.validation import check_config
from cnn_anatomy.config.words import (
    check_words,
    composable,
    deferred,
    evaluation_words,
    option_values,
    options_first,
    override_words,
    undeferred,
)
from cnn_anatomy.core.environment import check_command_line, check_environment
from cnn_anatomy.core.errors import ConfigError, RunFailed
from cnn_anatomy.core.full_disk import full_disk_sentence, is_full_disk
from cnn_anatomy.core.instantiation import original_error
from cnn_anatomy.core.interrupts import KEPT, Stopped
from cnn_anatomy.core.notices import notice
from cnn_anatomy.core.paths import (
    CONF,
    OUTPUTS,
    OUTPUTS_VARIABLE,
    add_module_folders,
    tracking_uri,
)
from cnn_anatomy.core.places import check_cache, check_hydra_folders, check_outputs
from cnn_anatomy.core.sentences import COMPOSITION_ERRORS, sentence
from cnn_anatomy.core.streams import keep_streams, prepare_streams
from cnn_anatomy.core.tracebacks import print_traceback
from cnn_anatomy.core.uris import RUN
from cnn_anatomy.distributed.launch import launch_ranks
from cnn_anatomy.distributed.process_group import rank, world_size
from cnn_anatomy.studies.starting import start
from cnn_anatomy.studies.study import option_folders
from cnn_anatomy.tracking.store_check import check_store
from cnn_anatomy.training.run_spec import RunSpec


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def train(config: DictConfig) -> Any:
    """Train one run."""
    hydra_config = HydraConfig.get()
    choices, words = hydra_config.runtime.choices, _task_words(hydra_config)
    if hydra_config.mode == RunMode.MULTIRUN:
        return _run_in_sweep(config, choices, words)
    single = config.tracking.parent is None  # else a sweep has started this process
    try:
        check_config(config, choices)
        spec = RunSpec.of(config, choices, words)
        check_cache(spec.cache_folder)
        if not spec.is_dry:
            check_store(spec.store_uri, [config.study])
        accuracy = _run(spec, progress=single)
    except Stopped:
        if single and world_size() == 1:
            print(f"stopped: {KEPT}", file=sys.stderr)
        raise
    except Exception as error:
        _exit(error, ConfigError)  # here, as Hydra would print the overrides before it
    if spec.is_dry and rank() == 0:
        print("dry run: training, validation and testing work; nothing is recorded")
    elif accuracy is not None and single and rank() == 0:
        print(f"test accuracy {accuracy:.1%}; the run is in MLflow's experiment {config.study}")
    return accuracy


def main() -> None:
    """Train; a mistake in the configuration is one sentence and exit status 2.

    Any other error is a bug: a traceback and exit status 1.
    """
    prepare_streams()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra lets errors through to here
    try:
        check_environment()
        add_module_folders(Path.cwd())  # which Python adds for `python -m`, not for a script
    except ConfigError as error:  # said by every process, as one left over is never rank zero
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    try:
        if {"--help", "-h"} & set(sys.argv[1:]):
            print(command_help())
            return
        if sys.argv[1:2] == ["new"]:
            start(sys.argv[2:])
            return
        check_command_line(sys.argv[1:])
        check_outputs()
        os.environ[OUTPUTS_VARIABLE] = str(OUTPUTS)  # in which Hydra makes folders, too
        if sys.argv[1:2] == ["evaluate"]:
            sys.argv[1:] = _begun_as_trained(sys.argv[1:])
        words = list(override_words(sys.argv[1:]))
        check_words(words)
        check_hydra_folders(words)
        folders = option_values(sys.argv[1:], "--config-dir", "-cd")
        given = [Path(folder).absolute() for folder in folders]
        beside = [folder for folder in option_folders(words) if folder not in given]
        if beside:
            words.append(longer_search_path(words, beside))
            sys.argv.append(words[-1])
        add_config_folders(folders, words)
        check_option_names(words)
        sys.argv[1:] = composable(deferred(options_first(sys.argv[1:])))
        train()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Stopped as error:
        raise SystemExit(error.status) from None
    except Exception as error:
        _exit(error, COMPOSITION_ERRORS)


def _begun_as_trained(arguments: Sequence[str]) -> list[str]:
    """Return the command line of an evaluation, after the overrides with which it was trained."""
    given = evaluation_words(arguments)
    words = list(override_words(given))
    check_words(words)
    inherited = inherited_words(_saved_words(arguments[1], words), words)
    if inherited:
        notice(f"as in training: {shlex.join(inherited)}")
    return [*inherited, *given]


def _saved_words(source: str, words: Sequence[str]) -> list[str]:
    """Return the overrides saved beside the weights `source`, a file or a run in MLflow."""
    if not source.startswith(RUN):
        folder = Path(source).parent
        return [] if saved_config(folder) is None else saved_words(folder)
    given = [o.value() for o in undeferred(words) if o.key_or_group == "tracking.uri"]
    uri = tracking_uri(*(str(value) for value in given[-1:] if value is not None))
    check_store(uri)
    from cnn_anatomy.tracking.artifacts import fetch_artifact

    with tempfile.TemporaryDirectory() as fetched:
        try:
            fetch_artifact(uri, source.removeprefix(RUN), OVERRIDES, Path(fetched))
        except FileNotFoundError:  # of a run that is older than the file; no run is refused later
            return []
        return saved_words(Path(fetched))


def _run(spec: RunSpec, *, progress: bool) -> float | None:
    """Train in this process and return the test accuracy, or launch the ranks that train."""
    trainer = spec.config.trainer
    command = ["-m", "cnn_anatomy.train", *_words(HydraConfig.get())]
    if launch_ranks(_devices(trainer), int(trainer.get("num_nodes", 1)), command):
        return None
    from cnn_anatomy.training.run import run

    return run(spec, progress=progress and rank() == 0)


def _devices(trainer: DictConfig) -> int:
    """Return how many processes a node has; Lightning counts where it is not a plain number."""
    if str(trainer.devices).isdigit():
        return int(trainer.devices)
    from cnn_anatomy.training.dry_run import bare_trainer

    return bare_trainer(trainer).num_devices


def _words(hydra_config: HydraConf) -> list[str]:
    """Return the words by which another process composes the configuration of this one."""
    sources = hydra_config.runtime.config_sources
    options = {"main": "--config-path", "command-line": "--config-dir"}
    return [
        *(f"{options[s.provider]}={s.path}" for s in sources if s.provider in options),
        f"--config-name={hydra_config.job.config_name}",
        *(word for word in hydra_config.overrides.hydra if word.startswith("hydra.searchpath")),
        *_task_words(hydra_config),
    ]


def _task_words(hydra_config: HydraConf) -> list[str]:
    """Return the overrides as they were typed: with `${seed}`, not with its value."""
    words = OmegaConf.to_container(hydra_config.overrides.task, resolve=False)
    assert isinstance(words, list)
    return [str(word) for word in words]


def _run_in_sweep(
    config: DictConfig, choices: Mapping[str, str], words: Sequence[str]
) -> float | None:
    """Train what the sweeper has checked; whatever ends the run, its worker goes on.

    Raises:
        RunFailed: if the run fails.
    """
    keep_streams()  # of this worker
    try:
        return _run(RunSpec.of(config, choices, words), progress=False)
    except SystemExit as error:
        reason = error.__cause__ or f"the run exited with status {error.code}"
        raise RunFailed(str(reason)) from error
    except Exception as error:
        if is_full_disk(error):
            raise RunFailed(full_disk_sentence(error)) from error
        if isinstance(error, ConfigError):  # no run in MLflow will show it
            name = f"{config.study}: {config.variant} s{config.seed}"
            print(f"failed: {name}: {sentence(error)}", file=sys.stderr, flush=True)
        else:
            print_traceback(error)
        raise RunFailed(sentence(error)) from error


def _exit(error: Exception, mistakes: type[Exception] | tuple[type[Exception], ...]) -> NoReturn:
    """End this process: one of `mistakes` is a sentence and status 2, a bug a traceback and 1.

    A full disk is a sentence and status 1: the run is interrupted, and resumes.
    """
    if isinstance(error, InstantiationException):
        error = original_error(error)
    if is_full_disk(error):
        print(full_disk_sentence(error), file=sys.stderr)
        raise SystemExit(1) from error
    if not isinstance(error, mistakes):
        print_traceback(error)
        raise SystemExit(1) from error
    if rank() == 0:
        print(sentence(error), file=sys.stderr)
    raise SystemExit(2) from error


if __name__ == "__main__":
    main()
