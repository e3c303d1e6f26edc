"""Whether the folders that a command writes to can be written, tried before anything is trained."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import CACHE_VARIABLE, OUTPUTS, OUTPUTS_VARIABLE

HYDRA_FOLDERS = ("hydra.run.dir", "hydra.sweep.dir")
TRIED_BYTES = 1 << 20  # a quota or a full disk shows in what is written, not in permissions


def check_outputs() -> None:
    """Check the folder of results, and that of temporary files, which artifacts come from.

    Raises:
        ConfigError: if one can't be written.
    """
    _check(OUTPUTS, OUTPUTS_VARIABLE)
    _check(None, "TMPDIR")


def check_cache(folder: Path) -> None:
    """Check the folder of what can be computed again, checkpoints and locks among it.

    Raises:
        ConfigError: if it can't be written.
    """
    _check(folder, CACHE_VARIABLE)


def check_hydra_folders(overrides: Iterable[str]) -> None:
    """Check the folders that overrides of Hydra's own name, as far as they are literal.

    Raises:
        ConfigError: if one can't be written.
    """
    for word in overrides:
        key, _, value = word.lstrip("+").partition("=")
        if key in HYDRA_FOLDERS:
            literal, interpolated, _ = value.strip("'\"").partition("${")
            folder = Path(literal)
            _check(folder.parent if interpolated else folder, key)


def _check(folder: Path | None, variable: str) -> None:
    """Write a file to `folder`, made if needed, or to the system's temporary one, and delete it."""
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(TRIED_BYTES))
    except OSError as error:
        place = folder or "the folder of temporary files"
        raise ConfigError(
            f"{place} can't be written ({error.strerror}): name another by {variable}"
        ) from None
