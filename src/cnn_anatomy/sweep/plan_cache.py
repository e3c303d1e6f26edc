"""What is known of a sweep from before: to compose its variants takes Hydra long."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.core.atomic import atomic_write
from cnn_anatomy.core.paths import REPOSITORY, cache
from cnn_anatomy.studies.study import PlannedRun
from cnn_anatomy.sweep.jobs import Job

OWN = {("pkg", "hydra.conf"), ("file", str(REPOSITORY / "conf")), ("structured", "")}


class Remembered:
    """A sweep's jobs, and whether they were published, kept in the cache.

    They are kept under what they follow from: the runs' overrides, what is common to all runs,
    every file of `conf`, `experiments` and `src`, and Hydra itself. The files that the variants
    name are compared on reading. Nothing is kept where the configuration follows from more: from
    another folder of configs, or from what an override looks up.
    """

    def __init__(self, runs: Sequence[PlannedRun], common: DictConfig) -> None:
        self.runs = runs
        self.file = cache(common.paths.cache) / "sweeps" / f"{_digest(runs, common)}.json"
        self.possible = _is_closed(runs, common)

    def load(self) -> list[Job] | None:
        """Return the jobs, or None if they were never kept, or may be others now."""
        kept = self._read()
        if kept is None or any(_state(path) != state for path, state in kept["files"].items()):
            return None
        pairs = zip(self.runs, kept["jobs"], strict=True)
        return [Job(run, key, tuple(pinned)) for run, (key, *pinned) in pairs]

    def keep(self, jobs: Sequence[Job], files: Iterable[Path]) -> None:
        """Keep what composing and checking all variants gave; `files` are those they name.

        A relative path is of the folder where the command is given, now and later.
        """
        states = {str(path): _state(path) for path in files}
        self._write({"files": states, "jobs": [[job.key, *job.pinned] for job in jobs]})

    def is_published(self, parents: Mapping[str, str | None]) -> bool:
        """Return whether all was written of the sweeps `parents`, by study, and is there."""
        kept = self._read()
        if kept is None or kept.get("published") != parents:
            return False
        return all(Path(file).is_file() for file in kept["written"])

    def keep_published(self, parents: Mapping[str, str], written: Iterable[Path]) -> None:
        """Keep that the sweeps `parents`, by study, were published in the files `written`."""
        kept = self._read()
        if kept is not None:
            files = [str(file.absolute()) for file in written]
            self._write({**kept, "published": dict(parents), "written": files})

    def _read(self) -> dict[str, Any] | None:
        if not self.possible or not self.file.exists():
            return None
        try:
            return json.loads(self.file.read_text())
        except ValueError:
            return None

    def _write(self, kept: Mapping[str, Any]) -> None:
        if self.possible:
            with atomic_write(self.file) as part:
                part.write_text(json.dumps(kept))


def _digest(runs: Sequence[PlannedRun], common: DictConfig) -> str:
    shared = OmegaConf.masked_copy(common, [str(k) for k in common if k != "hydra"])
    parts = [
        json.dumps(OmegaConf.to_container(shared, resolve=True), default=str),
        json.dumps([common.hydra.job.config_name, runs]),
        *(version(package) for package in ("hydra-core", "omegaconf")),
    ]
    digest = hashlib.sha256("\n".join(parts).encode())
    for file in _sources():
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _is_closed(runs: Iterable[PlannedRun], common: DictConfig) -> bool:
    """Return whether the runs' configurations follow from what `_digest` reads, and files."""
    sources = {(s.schema, s.path) for s in common.hydra.runtime.config_sources}
    looked_up = any("${" in word for run in runs for word in run.overrides)
    return sources == OWN and not looked_up


def _state(path: str | Path) -> list[int] | None:
    """Return size and time of a file, None if there is none."""
    path = Path(path)
    return [path.stat().st_size, path.stat().st_mtime_ns] if path.is_file() else None


def _sources() -> Iterator[Path]:
    for folder, kind in (("conf", "*.yaml"), ("experiments", "*.yaml"), ("src", "*.*")):
        files = (REPOSITORY / folder).rglob(kind)
        yield from sorted(f for f in files if f.is_file() and f.suffix != ".pyc")
