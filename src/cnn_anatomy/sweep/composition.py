"""Composing and checking the variants of a sweep, and keying their runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.config.options import check_option_names
from cnn_anatomy.config.run_key import run_keys
from cnn_anatomy.config.validation import check_config
from cnn_anatomy.config.words import check_words, composable
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.sweep.jobs import Job, quoted
from cnn_anatomy.sweep.mistakes import Mistakes
from cnn_anatomy.sweep.request import ADHOC

Overrides = tuple[str, ...]


def compose_variants(
    runs: Iterable[PlannedRun], common: DictConfig, loader: ConfigLoader
) -> dict[Overrides, DictConfig]:
    """Compose and check every variant once for all its seeds; return them by their overrides.

    Args:
        runs: every run of the sweep.
        common: the configuration that Hydra composed for the sweep as a whole.
        loader: Hydra's, which composes a variant from it.

    Raises:
        ConfigError: if variants make no sense: with the mistakes that the first two share if they
            have no others, else with all mistakes of all variants.
    """
    variants: dict[Overrides, DictConfig] = {}
    mistakes = Mistakes()
    for run in {run.overrides: run for run in runs}.values():
        name = run.variant if run.study == ADHOC else f"{run.study}: {run.variant}"
        with mistakes.of(name):
            check_words(run.overrides)
            check_option_names(run.overrides)
            config = loader.load_sweep_config(common, composable(run.overrides))
            check_config(config, config.hydra.runtime.choices)
            variants[run.overrides] = config
        if mistakes.are_shared():
            break  # the command's own: composing the other variants takes seconds
    mistakes.refuse()
    return variants


def key_jobs(
    runs: Sequence[PlannedRun], variants: Mapping[Overrides, DictConfig], common: DictConfig
) -> tuple[Job, ...]:
    """Return a job for every run, with its key and what it pins.

    Args:
        runs: every run of the sweep.
        variants: the composed variants by their overrides.
        common: the configuration of the sweep as a whole, which names the cache.

    Raises:
        ConfigError: if two variants of a study are the same run.
    """
    seeds = sorted({run.seed for run in runs})
    keys = {
        overrides: dict(zip(seeds, run_keys(config, seeds), strict=True))
        for overrides, config in variants.items()
    }
    pinned = {overrides: _pinned(config, common) for overrides, config in variants.items()}
    jobs = tuple(Job(run, keys[run.overrides][run.seed], pinned[run.overrides]) for run in runs)
    _refuse_twins(jobs)
    return jobs


def _refuse_twins(jobs: Iterable[Job]) -> None:
    """Raise a ConfigError if two variants of a study are the same run under two names."""
    variants: dict[tuple[str, str], str] = {}
    for job in jobs:
        first = variants.setdefault((job.run.study, job.key), job.run.variant)
        if first != job.run.variant:
            raise ConfigError(
                f"{job.run.study}: the variants {first} and {job.run.variant} are the same run, "
                "since all that determines a result is equal: leave one out"
            )


def _pinned(config: DictConfig, common: DictConfig) -> tuple[str, ...]:
    """Return the overrides for what another machine would decide otherwise.

    Its environment may name another cache, and its hardware another precision.
    """
    words = [f"paths.cache={quoted(str(common.paths.cache))}"]
    if OmegaConf.is_interpolation(config.trainer, "precision"):
        words.append(f"trainer.precision={config.trainer.precision}")
    return tuple(words)
