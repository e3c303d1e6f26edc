"""A hash of the code that determines a run's numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from cnn_anatomy.config.normal_form import normalise
from cnn_anatomy.core.hashes import short_hash

PACKAGE = Path(__file__).resolve().parents[1]
# Files and folders of the package that determine numbers.
NUMERIC_PARTS = (
    *("networks", "data", "probes", "training", "distributed/batch_norm.py"),
    *("config/source_network.py", "config/constraints.py", "config/class_folders.py"),
)


@cache
def code_version() -> str:
    """Return the hash of this package's own code."""
    return hash_code(PACKAGE)


def hash_code(package: Path, parts: Iterable[str] = NUMERIC_PARTS) -> str:
    """Return 16 hexadecimal digits that follow from some parts of a package's folder."""
    names = {dotted_name(file, package) for file in python_files(package)}
    return short_hash("\n".join(sorted(normalise(parsed_parts(package, parts), names))))


def parsed_parts(package: Path, parts: Iterable[str] = NUMERIC_PARTS) -> dict[str, ast.Module]:
    """Return the syntax of every file of the parts, by the module's dotted name."""
    return {
        dotted_name(file, package): ast.parse(file.read_text(encoding="utf-8"))
        for part in parts
        for file in python_files(package / part)
    }


def python_files(path: Path) -> list[Path]:
    """Return the Python files below a folder, or the file itself; hidden ones are an editor's."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*.py") if not file.name.startswith("."))


def dotted_name(file: Path, package: Path) -> str:
    """Return the name by which `file` is imported."""
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
