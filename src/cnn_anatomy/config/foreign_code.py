"""The code outside the package that a configuration names: a user's own, and installed packages."""

from __future__ import annotations

import ast
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from cnn_anatomy.config.module_files import module_files
from cnn_anatomy.config.normal_form import imports, normalise
from cnn_anatomy.core.hashes import short_hash

OURS = ("cnn_anatomy", "hydra_plugins")
LOOKUPS = ("hydra.utils.get_class", "hydra.utils.get_method", "hydra.utils.get_object")
# What classes and functions of ours call that is outside the package.
WRAPPED = {"cnn_anatomy.networks.timm_networks.timm_network": "timm.create_model"}
# The folders of installed packages, those that a .pth file or PYTHONPATH adds among them.
SITES = {
    *(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")),
    *map(Path, [*site.getsitepackages(), site.getusersitepackages()]),
    *(path for path in map(Path, sys.path) if any(path.glob("*.dist-info"))),
}
STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))


@dataclass(frozen=True)
class OwnModule:
    """A module of the user's own: its file, and the syntax tree of that."""

    file: Path
    tree: ast.Module


def foreign_code(config: Any) -> list[str]:
    """Return a text for every part of the code outside this package that a plain `config` names.

    An installed package counts by its version, without the local part (`+cu132`), which tells
    hardware apart. Files of the user's own count by their normal form: those that `config` names,
    and those that these import, as far as import statements show.
    """
    names = set(foreign_targets(config))
    text = "\n".join(sorted(_texts(_own_modules(names))))
    versions = {version for name in names for version in _versions(name.partition(".")[0])}
    return [*sorted(versions), *([short_hash(text)] if text else [])]


def _texts(modules: Mapping[str, OwnModule]) -> list[str]:
    """Return the normal form of modules, or their source if that is nested too deeply for it."""
    names = {prefix for name in modules for prefix in _prefixes(name)}
    try:
        return normalise({name: module.tree for name, module in modules.items()}, names)
    except RecursionError:
        return [module.file.read_text("utf-8", "replace") for module in modules.values()]


def foreign_files(config: Any) -> set[Path]:
    """Return the files of the user's own whose code counts for a plain `config`."""
    return {module.file for module in _own_modules(foreign_targets(config)).values()}


def installed_packages() -> list[str]:
    """Return a name of every installed package that tells its version."""
    return sorted(path.name for place in SITES for path in place.glob("*.dist-info"))


def foreign_targets(node: Any) -> Iterator[str]:
    """Yield the dotted names in a plain config of classes and functions outside this package.

    They are its `_target_`s, what Hydra's lookups get, and the `target` of a part of ours.
    """
    if isinstance(node, dict):
        target = node.get("_target_")
        named = node.get("target") if str(target).partition(".")[0] in OURS else None
        named = WRAPPED.get(str(target), named)
        for name in (node.get("path") if target in LOOKUPS else target, named):
            if isinstance(name, str) and name.partition(".")[0] not in OURS:
                yield name
    if isinstance(node, dict | list):
        for element in node.values() if isinstance(node, dict) else node:
            yield from foreign_targets(element)


def _own_modules(names: Iterable[str]) -> dict[str, OwnModule]:
    """Return the user's own modules that importing `names` runs, by name."""
    modules: dict[str, OwnModule] = {}
    todo = list(names)
    while todo:
        for module, file in module_files(todo.pop()):
            if module not in modules and is_own(file):
                tree = ast.parse(file.read_bytes())
                modules[module] = OwnModule(file, tree)
                todo += [name for _, name in imports(tree, module, file.stem == "__init__")]
    return modules


def is_own(file: Path) -> bool:
    """Return whether a module is neither installed nor Python's, nor this package's."""
    places = (*SITES, STANDARD_LIBRARY, Path(__file__).parents[1])
    return not any(file.is_relative_to(place) for place in places)


@cache
def _versions(package: str) -> list[str]:
    """Return `name version` of the distributions that have installed a top-level package."""
    forms = (package, f"{package}.py")
    if not any((place / form).exists() for place in SITES for form in forms):
        return []
    try:
        versions = {package: version(package)}
    except PackageNotFoundError:  # the distribution has another name; to list all takes 0.5 s
        versions = {name: version(name) for name in packages_distributions().get(package, [])}
    return [f"{name} {number.partition('+')[0]}" for name, number in versions.items()]


def _prefixes(name: str) -> list[str]:
    """Return `a`, `a.b` and `a.b.c` of `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
