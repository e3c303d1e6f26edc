"""The key of a run: a hash of everything that determines its result."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from cnn_anatomy.config.code_version import PACKAGE, code_version
from cnn_anatomy.config.foreign_code import foreign_code, foreign_files
from cnn_anatomy.core.hashes import short_hash

# Top-level keys, and keys anywhere, that do not change a run's result.
BOOKKEEPING = {"study", "variant", "setting", "tracking", "paths", "hydra"}
PLACEMENT = {"cache", "accelerator", "devices", "num_nodes", "strategy", "cuda_graph"}
# Settings (group, key) that may name a file, whose content counts instead of its path.
FILES = (("transfer", "source"), ("model", "weights"))
SEED_PLACEHOLDER = "\0seed+"  # followed by a number: the seed plus this number
SEEDED = re.compile(re.escape(json.dumps(SEED_PLACEHOLDER)[:-1]) + r'(-?\d+)"')


def run_key(config: DictConfig) -> str:
    """Return 16 hexadecimal digits that follow from the settings and code which determine a result.

    The code is this package's own, and what the configuration names outside it: a user's modules
    and the versions of installed packages. Names, paths and hardware do not count.
    """
    return short_hash(_text(_relevant(config)))


def run_keys(config: DictConfig, seeds: Sequence[int]) -> list[str]:
    """Return the key of `config` at every seed, without resolving it for each of them."""
    zero, one = (_relevant(_at(config, seed)) for seed in (0, 1))
    try:
        text = _text(_with_placeholders(zero, one))
    except _NotASeedError:
        return [run_key(_at(config, seed)) for seed in seeds]

    def key(seed: int) -> str:
        return short_hash(SEEDED.sub(lambda found: str(seed + int(found[1])), text))

    return [key(seed) for seed in seeds]


class _NotASeedError(Exception):
    """A setting follows from the seed, but is not the seed plus a number."""


def _at(config: DictConfig, seed: int) -> DictConfig:
    merged = OmegaConf.merge(config, {"seed": seed})
    assert isinstance(merged, DictConfig)
    return merged


def named_files(configs: Iterable[DictConfig]) -> set[Path]:
    """Return the files whose contents count for `configs`, existing or not: weights and code."""
    configs = list(configs)
    values = (config[group].get(key) for config in configs for group, key in FILES)
    code = (foreign_files(_plain(config)) for config in configs)
    return {Path(value) for value in values if isinstance(value, str)}.union(*code)


def counting(value: Any) -> Any:
    """Return what counts of a setting: not where a run is placed, nor our classes' modules."""
    if isinstance(value, dict):
        return {
            key: _last_name(item) if key == "_target_" else counting(item)
            for key, item in value.items()
            if key not in PLACEMENT
        }
    return [counting(item) for item in value] if isinstance(value, list) else value


def _relevant(config: DictConfig | ListConfig) -> list[Any]:
    """Return what counts of a configuration and the code that it names."""
    plain = _plain(config)
    for group, key in FILES:
        value = plain[group].get(key)
        if isinstance(value, str) and Path(value).is_file():
            plain[group][key] = hashlib.sha256(Path(value).read_bytes()).hexdigest()
    evaluated = plain.get("evaluate")
    if isinstance(evaluated, str) and Path(evaluated).is_file():
        plain["evaluate"] = hashlib.sha256(Path(evaluated).read_bytes()).hexdigest()
    return [counting(plain), code_version(), foreign_code(plain)]


def _text(relevant: Any) -> str:
    return json.dumps(relevant, sort_keys=True)


def _plain(config: DictConfig | ListConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items() if key not in BOOKKEEPING}


def _with_placeholders(zero: Any, one: Any) -> Any:
    """Return the settings at seed 0, with placeholders for what differs at seed 1: seeds alone.

    A seed is the run's, or this plus a number, as that of a transfer's source network.
    """
    if zero == one:
        return zero
    if isinstance(zero, dict):
        return {key: _with_placeholders(zero[key], one[key]) for key in zero}
    if isinstance(zero, list):
        return [_with_placeholders(a, b) for a, b in zip(zero, one, strict=True)]
    if not (isinstance(zero, int) and isinstance(one, int) and one - zero == 1):
        raise _NotASeedError
    return f"{SEED_PLACEHOLDER}{zero}"


def _last_name(target: str) -> str:
    """Return the name of a class of ours, whichever file it is in, and any other's in full."""
    return target.rpartition(".")[2] if target.startswith(f"{PACKAGE.name}.") else target
