"""The key of a run: a hash of everything that determines its result."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

PACKAGE = Path(__file__).resolve().parents[1]
NUMERIC = (
    *("networks", "data", "probes", "training", "distributed/batch_norm.py"),
    *("config/source_network.py", "config/constraints.py", "config/class_folders.py"),
)
SEED = "\0seed"  # stands for it in a text
IRRELEVANT = {"study", "variant", "tracking", "paths", "hydra"}
FILES = (("transfer", "source"), ("model", "weights"))  # what they hold counts, not the path
PLACEMENT = {"cache", "accelerator", "devices", "num_nodes", "strategy"}


def run_key(config: DictConfig) -> str:
    """Return 16 hexadecimal digits; names, paths and hardware do not count, the code does."""
    return _digest(_text(_relevant(config)))


def run_keys(config: DictConfig, seeds: Sequence[int]) -> list[str]:
    """Return the key of `config` at each seed, which resolving it for each would take long."""
    zero, one = (_relevant(OmegaConf.merge(config, {"seed": seed})) for seed in (0, 1))
    text = _text(_with_seed(zero, one, SEED))
    return [_digest(text.replace(json.dumps(SEED), str(seed))) for seed in seeds]


def named_files(configs: Iterable[DictConfig]) -> set[Path]:
    """Return the paths that `configs` have for files whose contents count, there or not."""
    values = (config[group].get(key) for config in configs for group, key in FILES)
    return {Path(value) for value in values if isinstance(value, str)}


def _relevant(config: DictConfig | ListConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    for group, key in FILES:
        value = plain[group].get(key)
        if isinstance(value, str) and Path(value).is_file():
            plain[group][key] = hashlib.sha256(Path(value).read_bytes()).hexdigest()
    return _without({str(k): v for k, v in plain.items() if k not in IRRELEVANT})


def _text(relevant: Any) -> str:
    return json.dumps([relevant, code_version()], sort_keys=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _with_seed(zero: Any, one: Any, seed: Any) -> Any:
    """Return what `zero` and `one`, of seeds 0 and 1, are at `seed`: they differ in seeds alone."""
    if zero == one:
        return zero
    if isinstance(zero, dict):
        return {key: _with_seed(zero[key], one[key], seed) for key in zero}
    if isinstance(zero, list):
        return [_with_seed(a, b, seed) for a, b in zip(zero, one, strict=True)]
    assert (zero, one) == (0, 1), "a setting follows from the seed but is not the seed"
    return seed


@cache
def code_version() -> str:
    """Return a hash of the numeric parts' syntax trees: comments and docstrings do not count."""
    digest = hashlib.sha256()
    for part in NUMERIC:
        path = PACKAGE / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            tree = ast.parse(file.read_text())
            for node in ast.walk(tree):
                body = getattr(node, "body", None)
                if isinstance(body, list) and body and _is_docstring(body[0]):
                    body.pop(0)
            digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:16]


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without(v) for k, v in value.items() if k not in PLACEMENT}
    if isinstance(value, list):
        return [_without(v) for v in value]
    return value
