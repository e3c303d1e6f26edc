"""Widths with which the variants of a study cost the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import sqrt
from pathlib import Path

import torch
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.config.run_key import run_key
from cnn_anatomy.core.atomic import atomic_write
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import cache
from cnn_anatomy.networks.cost import macs, parameter_count
from cnn_anatomy.studies.match import Match
from cnn_anatomy.sweep.composition import compose_variants
from cnn_anatomy.sweep.request import SweepRequest
from cnn_anatomy.training.build import build_data, build_network
from cnn_anatomy.training.run_spec import RunSpec

TOLERANCE = 0.02  # by which costs may differ, as a part of the cost that is matched
STEPS = 64  # so many widths in a row may be refused, as by groups that don't divide them
LARGEST = 4096  # beyond which no width is sought


def match_costs(request: SweepRequest, common: DictConfig, loader: ConfigLoader) -> SweepRequest:
    """Return the request with an override of the width in each run whose cost is matched.

    Every width is printed with its cost.

    Args:
        request: studies, some of which have a `match`.
        common: the configuration that Hydra composed for the sweep as a whole.
        loader: Hydra's, which composes a variant from it.

    Raises:
        ConfigError: if variants make no sense, or have no width with which costs match.
    """
    composed = compose_variants(request.runs, common, loader)
    folder = cache(common.paths.cache) / "costs"
    words: dict[tuple[str, str], str] = {}
    lines = []
    for study in request.studies:
        if study.match is None:
            continue
        variants = {r.variant: composed[r.overrides] for r in request.runs if r.study == study.name}
        target = _cost(variants[study.match.to], study.match.cost, folder)
        lines.append(f"{study.name}: {study.match.cost} as of {study.match.to}, {target:,}")
        for variant, config in variants.items():
            if variant != study.match.to:
                name = f"{study.name}: {study.match.cost} of the variant {variant}"
                width, found = _width(name, study.match, config, target, folder)
                word = words[study.name, variant] = f"{study.match.by}={width}"
                lines.append(f"  {variant}: {word}, {found:,} ({found / target - 1:+.1%})")
    print("\n".join(lines))
    runs = (
        run._replace(overrides=(*run.overrides, words[run.study, run.variant]))
        if (run.study, run.variant) in words
        else run
        for run in request.runs
    )
    return replace(request, runs=tuple(runs))


def solved(cost: Callable[[int], int | None], start: int, target: int) -> tuple[int, int]:
    """Return the width whose cost is nearest to `target`, and that cost.

    Costs grow with the width, about as it does or as its square, where the width is accepted.

    Args:
        cost: of a width; None if that is refused.
        start: a width that is accepted.
        target: the cost that is sought.
    """
    costs: dict[int, int] = {}

    def first(widths: Iterable[int]) -> int | None:
        """Return the first of `widths` that is accepted."""
        for width in widths:
            found = costs.get(width) or cost(width)
            if found is not None:
                costs[width] = found
                return width
        return None

    width = first([start])
    while width is not None:
        guess = min(max(1, round(width * sqrt(target / costs[width]))), LARGEST)
        before = set(costs)
        width = first(range(guess, guess + STEPS))
        if width in before:
            break
    nearest = min(costs, key=lambda width: abs(costs[width] - target))
    first(range(nearest + 1, nearest + STEPS))
    first(range(nearest - 1, max(0, nearest - STEPS), -1))
    nearest = min(costs, key=lambda width: abs(costs[width] - target))
    return nearest, costs[nearest]


def _width(
    name: str, match: Match, config: DictConfig, target: int, folder: Path
) -> tuple[int, int]:
    """Return the width with which a variant costs `target`, and what it then costs.

    Raises:
        ConfigError: if there is none; `name` tells in it what is matched.
    """
    start = OmegaConf.select(config, match.by, throw_on_missing=False)
    if not isinstance(start, int) or isinstance(start, bool):
        raise ConfigError(
            f"{name} can't be matched: it has no whole number {match.by}; name another key, "
            "match.by=…"
        )

    def cost(width: int) -> int | None:
        wider = config.copy()
        OmegaConf.update(wider, match.by, width)
        try:
            return _cost(wider, match.cost, folder)
        except ConfigError:
            return None

    _cost(config, match.cost, folder)  # the variant's own mistakes are not those of a width
    width, found = solved(cost, start, target)
    if abs(found / target - 1) > TOLERANCE:
        raise ConfigError(
            f"{name} can't be matched to {target:,} within {TOLERANCE:.0%}: the nearest are "
            f"{found:,} with {match.by}={width}"
        )
    return width, found


def _cost(config: DictConfig, cost: str, folder: Path) -> int:
    """Return a cost of the untrained network of a composed variant, from the cache if it is there.

    Raises:
        ConfigError: if the network can't be built.
    """
    plain = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    file = folder / f"{run_key(plain)}.json"
    if not file.is_file():
        measured = _measured(RunSpec.of(plain))
        with atomic_write(file) as part:
            part.write_text(json.dumps(measured), encoding="utf-8")
    return int(json.loads(file.read_text(encoding="utf-8"))[cost])


def _measured(spec: RunSpec) -> dict[str, int]:
    data = build_data(spec)
    network = build_network(spec, data)
    return {
        "macs": macs(network, torch.zeros(1, *data.shape)),
        "parameters": parameter_count(network) - parameter_count(network.auxiliary),
    }
