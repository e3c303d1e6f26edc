"""The files of modules, found without importing any of them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path


def module_files(name: str) -> Iterator[tuple[str, Path]]:
    """Yield (module, file) of every module and package that is a prefix of a dotted name."""
    first, *rest = name.split(".")
    try:
        spec = find_spec(first)
    except (ImportError, ValueError):
        return
    if spec is None:
        return
    if spec.has_location and str(spec.origin).endswith(".py"):
        yield first, Path(str(spec.origin))
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    module = first
    for part in rest:
        module = f"{module}.{part}"
        files = [file for folder in folders if (file := module_at(folder / part))]
        if files:
            yield module, files[0]
        folders = [folder / part for folder in folders if (folder / part).is_dir()]


def module_at(path: Path) -> Path | None:
    """Return the file of the module or package at `path`, which has no suffix; None without one."""
    files = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None)
