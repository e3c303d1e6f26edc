"""The folders that Hydra finds configurations in: conf/, and those that the command line adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString

from cnn_anatomy.core.paths import CONF

SEARCH_PATH = "hydra.searchpath="
_added: list[Path] = []


def config_folders() -> tuple[Path, ...]:
    """Return all folders; a file in an earlier one hides its like in the later."""
    return (CONF, *_added)


def add_config_folders(folders: Sequence[str], overrides: Sequence[str]) -> None:
    """Add the folders that `--config-dir` and the override hydra.searchpath name."""
    listed = [_paths(place) for place in _places(overrides)]
    _added[:] = [*chain(*listed), *(Path(folder).absolute() for folder in folders)]


def longer_search_path(overrides: Sequence[str], folders: Sequence[Path]) -> str:
    """Return the override hydra.searchpath that lists `folders` after what `overrides` list."""
    places = [*_places(overrides), *(f"file://{folder}" for folder in folders)]
    quoted = (QuotedString(place, Quote.single).with_quotes() for place in places)
    return f"{SEARCH_PATH}[{','.join(quoted)}]"


def option_files(group: str) -> list[Path]:
    """Return the options' files of a group in all folders, without an editor's hidden ones."""
    files = [file for folder in config_folders() for file in (folder / group).glob("*.yaml")]
    return [file for file in files if not file.name.startswith(".")]


def hidden_file(group: str, option: str) -> Path | None:
    """Return the file of an option that one of the same name and other content hides, if any."""
    named = [folder / group / f"{option}.yaml" for folder in config_folders()]
    files = [file for file in named if file.is_file()]
    different = (file for file in files if file.read_bytes() != files[0].read_bytes())
    return next(different, None)


def _places(overrides: Sequence[str]) -> list[str]:
    """Return what the last override of hydra.searchpath lists, as in [file://a,pkg://b.c]."""
    words = [word for word in overrides if word.startswith(SEARCH_PATH)]
    if not words:
        return []
    value = OverridesParser.create().parse_override(words[-1]).value()
    return [str(place) for place in (value if isinstance(value, list) else [value])]


def _paths(place: str) -> Iterator[Path]:
    """Yield the folders of file://a or pkg://b.c."""
    scheme, _, path = place.rpartition("://")
    if scheme != "pkg":
        yield Path(path).absolute()
        return
    package = find_spec(path.replace("/", "."))
    yield from map(Path, (package.submodule_search_locations or ()) if package else ())
