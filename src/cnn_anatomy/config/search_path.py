"""The folders that Hydra finds configurations in: conf/, and those that the command line adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser

from cnn_anatomy.core.paths import CONF

SEARCH_PATH = "hydra.searchpath="
_added: list[Path] = []


def config_folders() -> tuple[Path, ...]:
    """Return all folders; a file in an earlier one hides its like in the later."""
    return (CONF, *_added)


def add_config_folders(folders: Sequence[str], overrides: Sequence[str]) -> None:
    """Add the folders that `--config-dir` and the override hydra.searchpath name."""
    listed = [word for word in overrides if word.startswith(SEARCH_PATH)]
    _added[:] = [*_listed(listed), *(Path(folder).absolute() for folder in folders)]


def option_files(group: str) -> list[Path]:
    """Return the options' files of a group in all folders, without an editor's hidden ones."""
    files = [file for folder in config_folders() for file in (folder / group).glob("*.yaml")]
    return [file for file in files if not file.name.startswith(".")]


def _listed(words: Sequence[str]) -> Iterator[Path]:
    """Yield every folder that overrides of hydra.searchpath list, as in [file://a,pkg://b.c]."""
    for word in words:
        value = OverridesParser.create().parse_override(word).value()
        for place in value if isinstance(value, list) else [value]:
            scheme, _, path = str(place).rpartition("://")
            if scheme != "pkg":
                yield Path(path).absolute()
                continue
            package = find_spec(path.replace("/", "."))
            yield from map(Path, (package.submodule_search_locations or ()) if package else ())
