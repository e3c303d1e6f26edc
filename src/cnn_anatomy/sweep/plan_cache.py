"""The cache of a sweep's plan: composing its variants takes Hydra seconds."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.config.foreign_code import installed_packages
from cnn_anatomy.core.atomic import atomic_write
from cnn_anatomy.core.paths import CONF, EXPERIMENTS, HOME, PACKAGE, cache
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.sweep.jobs import Job

# (scheme, path) of the places where the configuration comes from if nothing is added.
CONFIG_SOURCES = {("pkg", "hydra.conf"), ("file", str(CONF)), ("structured", "")}


class PlanCache:
    """A sweep's jobs, and whether they were published, in a file of the cache.

    The file's name is a hash of what the jobs depend on: the runs' overrides, the configuration
    common to all runs, every file of `conf`, `experiments` and `src`, the files of a user's own
    studies, and the installed packages.
    The files that variants name, their code included, are compared when the jobs are loaded.
    Nothing is cached where the configuration depends on more: on another folder of configs, or on
    an interpolation in an override.
    """

    def __init__(
        self, runs: Sequence[PlannedRun], common: DictConfig, studies: Sequence[Path] = ()
    ) -> None:
        self.runs = runs
        digest = _digest(runs, common, studies)
        self.file = cache(common.paths.cache) / "sweeps" / f"{digest}.json"
        self.is_usable = _is_self_contained(runs, common)

    def load(self) -> tuple[Job, ...] | None:
        """Return the jobs, or None if they were never cached or may have changed."""
        content = self._read()
        if content is None:
            return None
        if any(_file_state(path) != state for path, state in content["files"].items()):
            return None
        pairs = zip(self.runs, content["jobs"], strict=True)
        return tuple(Job(run, key, tuple(pinned)) for run, (key, *pinned) in pairs)

    def save(self, jobs: Sequence[Job], files: Iterable[Path]) -> None:
        """Cache the jobs of composed and checked variants, which name `files`.

        A relative path is resolved in the working directory, now and when loading.
        """
        states = {str(path): _file_state(path) for path in files}
        self._write({"files": states, "jobs": [[job.key, *job.pinned] for job in jobs]})

    def is_published(self, parents: Mapping[str, str | None]) -> bool:
        """Return whether the sweeps `parents`, by study, were published and their pages exist."""
        content = self._read()
        if content is None or content.get("published") != parents:
            return False
        return all((HOME / file).is_file() for file in content["written"])

    def save_publication(self, parents: Mapping[str, str], written: Iterable[Path]) -> None:
        """Record that the sweeps `parents`, by study, were published in the files `written`."""
        content = self._read()
        if content is not None:
            files = [os.path.relpath(file, HOME) for file in written]  # HOME may be moved
            self._write({**content, "published": dict(parents), "written": files})

    def _read(self) -> dict[str, Any] | None:
        if not self.is_usable or not self.file.exists():
            return None
        try:
            return json.loads(self.file.read_text(encoding="utf-8"))
        except ValueError:
            return None

    def _write(self, content: Mapping[str, Any]) -> None:
        if self.is_usable:
            with atomic_write(self.file) as part:
                part.write_text(json.dumps(content), encoding="utf-8")


def _digest(runs: Sequence[PlannedRun], common: DictConfig, studies: Sequence[Path]) -> str:
    shared = OmegaConf.masked_copy(common, [str(k) for k in common if k != "hydra"])
    parts = [
        json.dumps(OmegaConf.to_container(shared, resolve=True), default=str),
        json.dumps([common.hydra.job.config_name, runs]),
        *installed_packages(),
    ]
    digest = hashlib.sha256("\n".join(parts).encode())
    for file in (*studies, *_source_files()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _is_self_contained(runs: Iterable[PlannedRun], common: DictConfig) -> bool:
    """Return whether the variants depend on nothing but what `_digest` hashes and named files."""
    sources = {(s.schema, s.path) for s in common.hydra.runtime.config_sources}
    has_interpolation = any("${" in word for run in runs for word in run.overrides)
    return sources == CONFIG_SOURCES and not has_interpolation


def _file_state(path: str | Path) -> list[int] | None:
    """Return size and modification time of a file, None if there is none."""
    path = Path(path)
    return [path.stat().st_size, path.stat().st_mtime_ns] if path.is_file() else None


def _source_files() -> Iterator[Path]:
    plugins = PACKAGE.parent / "hydra_plugins"
    for folder, pattern in (
        *((CONF, "*.yaml"), (EXPERIMENTS, "*.yaml")),
        *((PACKAGE, "*.*"), (plugins, "study_*.py")),
    ):
        files = folder.rglob(pattern)
        yield from sorted(f for f in files if f.is_file() and f.suffix != ".pyc")
