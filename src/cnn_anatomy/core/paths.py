"""Where the program reads its configuration and studies, and where it writes.

Run from a checkout, it reads `conf/` and `experiments/` of the repository and writes into the
repository: sweeps into `outputs/`, and only what is published into `experiments/results/`.
Installed from a wheel, it reads the copies in the package and writes into the folder in which the
command is given.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def _repository(package: Path) -> Path | None:
    """Return the checkout that holds `package` in its `src`, None if it is installed elsewhere."""
    root = package.parents[1]
    return root if (root / "conf" / "train.yaml").is_file() else None


PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = _repository(PACKAGE)
CONF = (REPOSITORY or PACKAGE) / "conf"
EXPERIMENTS = (REPOSITORY or PACKAGE) / "experiments"
STORE_VARIABLE = "MLFLOW_TRACKING_URI"
CACHE_VARIABLE = "CNN_ANATOMY_CACHE"
OUTPUTS_VARIABLE = "CNN_ANATOMY_OUTPUTS"
HOME = REPOSITORY or Path.cwd()  # holds mlflow.db, .cache and outputs
DEFAULT_STORE = f"sqlite:///{HOME}/mlflow.db"
OUTPUTS = HOME / (os.environ.get(OUTPUTS_VARIABLE) or "outputs")
RESULTS = OUTPUTS / "results"  # what sweeps leave
PUBLISHED = EXPERIMENTS / "results"  # the committed evidence, which a wheel does not have
STUDIES_VARIABLE = "CNN_ANATOMY_STUDIES"  # names a folder of a user's own studies


def shown(path: Path) -> str:
    """Return a path as it is printed: below the home folder relative to that, else in full."""
    return str(path.relative_to(HOME) if path.is_relative_to(HOME) else path)


def own_studies() -> Path | None:
    """Return the folder of a user's own studies that CNN_ANATOMY_STUDIES names, if it is set."""
    folder = os.environ.get(STUDIES_VARIABLE)
    return Path(folder).expanduser().absolute() if folder else None


def add_module_folders(*folders: Path) -> None:
    """Let this process and those that it starts import a user's modules from `folders`."""
    for folder in map(str, folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    places = dict.fromkeys([*map(str, folders), *filter(None, inherited)])
    os.environ["PYTHONPATH"] = os.pathsep.join(places)


def tracking_uri(uri: str | None = None) -> str:
    """Return `uri`, or MLFLOW_TRACKING_URI, or the SQLite store mlflow.db in the home folder."""
    return uri or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE


def cache(folder: str | Path | None = None) -> Path:
    """Return `folder`, or CNN_ANATOMY_CACHE, or .cache; relative ones are in the home folder."""
    return HOME / (folder or os.environ.get(CACHE_VARIABLE) or ".cache")


def cache_path(folder: str | Path, name: str, keys: Mapping[str, Any]) -> Path:
    """Return the file in the cache for the arrays that are computed from `keys`."""
    digest = hashlib.sha256(json.dumps(keys, sort_keys=True, default=str).encode()).hexdigest()
    return cache(folder) / f"{name}-{digest[:16]}.npz"
