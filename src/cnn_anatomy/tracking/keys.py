"""The key of a run: a hash of everything that determines its result."""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

PACKAGE = Path(__file__).resolve().parents[1]
NUMERIC = (
    *("networks", "data", "probes", "classifier.py", "schedules.py", "training.py"),
    "transfer.py",
    "prefix.py",
    *("sizes.py", "class_folders.py"),
)
IRRELEVANT = {"study", "variant", "tracking", "paths", "hydra"}
PLACEMENT = {"cache", "accelerator", "devices"}


def run_key(config: DictConfig) -> str:
    """Return 16 hexadecimal digits; names, paths and hardware do not count, the code does."""
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    relevant = _without({k: v for k, v in plain.items() if k not in IRRELEVANT})
    text = json.dumps([relevant, code_version()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
