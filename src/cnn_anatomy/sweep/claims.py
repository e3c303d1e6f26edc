"""Whether a study's claims can be judged by the runs that it plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.studies.claim import Claim, Params
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.studies.study import Study

Overrides = tuple[str, ...]


def check_metrics(studies: Iterable[Study]) -> None:
    """Raise a ConfigError if a table or a claim asks for a metric that no run has."""
    for study in studies:
        for name in study.table.metrics:
            metric(name)
        for claim in study.claims:
            metric(claim.metric, f"{study.stem}: claims[{claim.id}].metric")
            for premise in claim.premises:
                metric(premise.metric, f"{study.stem}: claims[{claim.id}].premises.metric")


def check_sides(
    studies: Iterable[Study],
    runs: Iterable[PlannedRun],
    variants: Mapping[Overrides, DictConfig],
) -> None:
    """Raise a ConfigError if a side of a claim picks no variant, or several.

    A param that only a finished run has, such as a number of frozen layers, may be any.

    Args:
        studies: whose claims are checked.
        runs: every run of the sweep.
        variants: the composed variants by their overrides.
    """
    planned = {(run.study, run.variant): variants[run.overrides] for run in runs}
    for study in studies:
        own = {variant: config for (name, variant), config in planned.items() if name == study.name}
        for claim in study.claims:
            for role, where in _sides(claim):
                _check_side(f"{study.stem}: claims[{claim.id}].{role}", where, own)


def _sides(claim: Claim) -> Sequence[tuple[str, Params]]:
    return [(s.role, s.where) for s in claim.sides if not isinstance(s.where, int | float)]


def _check_side(key: str, where: Params, variants: Mapping[str, DictConfig]) -> None:
    """Raise a ConfigError, which begins with `key`, unless `where` may pick one of `variants`."""
    had = {
        param: {variant: _values(param, variant, c) for variant, c in variants.items()}
        for param in where
    }
    picked = [
        v for v in variants if all(not had[p][v] or str(x) in had[p][v] for p, x in where.items())
    ]
    if not picked:
        raise ConfigError(f"{key} picks no variant of the study: {_absent(where, had)}")
    known = all(values for by_variant in had.values() for values in by_variant.values())
    if len(picked) > 1 and known:
        raise ConfigError(
            f"{key}={_words(where)} picks several variants: {', '.join(picked)}; name more params"
        )


def _absent(where: Params, had: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    """Return which param no variant has, with those that they have."""
    for param, wanted in where.items():
        there = list(dict.fromkeys(values[0] for values in had[param].values() if values))
        if str(wanted) not in there and len(there) > 0 and all(had[param].values()):
            hint = did_you_mean(str(wanted), there)
            return f"{param}={wanted} is none of {', '.join(there)}{hint}"
    return f"none has {_words(where)} together"


def _words(where: Params) -> str:
    return ", ".join(f"{param}={value}" for param, value in where.items())


def _values(param: str, variant: str, config: DictConfig) -> list[str]:
    """Return what a run of `variant` may log as `param`; nothing if only the run can tell."""
    if param == "variant":
        return [variant]
    choice = config.hydra.runtime.choices.get(param)
    if choice is not None:
        target = OmegaConf.select(config, f"{param}._target_")
        return [str(choice)] if target is None else [str(choice), str(target)]
    value = OmegaConf.select(config, param, throw_on_missing=False)
    return [str(value)] if isinstance(value, int | float | str) else []
