"""The keys of a sweep's runs as they were found before: to compose a variant takes Hydra long."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.paths import REPOSITORY, cache
from cnn_anatomy.replacing import replacing
from cnn_anatomy.studies import Planned
from cnn_anatomy.sweep.job import Job


class Remembered:
    """The jobs of a sweep's runs, kept in the cache under all that they follow from.

    That is the runs' overrides, the files that these name, what is common to all runs, every
    file of `conf`, `experiments` and the code, and Hydra itself.
    """

    def __init__(self, runs: Sequence[Planned], common: DictConfig) -> None:
        self.runs = runs
        self.file = cache(common.paths.cache) / "sweeps" / f"{_digest(runs, common)}.json"

    def load(self) -> list[Job] | None:
        """Return the jobs, or None if they were never kept."""
        if not self.file.exists():
            return None
        kept = json.loads(self.file.read_text())
        pairs = zip(self.runs, kept, strict=True)
        return [Job(run, key, tuple(pinned)) for run, (key, *pinned) in pairs]

    def keep(self, jobs: Sequence[Job]) -> None:
        """Keep what composing and checking all variants gave."""
        with replacing(self.file) as part:
            part.write_text(json.dumps([[job.key, *job.pinned] for job in jobs]))


def _digest(runs: Sequence[Planned], common: DictConfig) -> str:
    shared = OmegaConf.masked_copy(common, [str(k) for k in common if k != "hydra"])
    parts = [
        json.dumps(OmegaConf.to_container(shared, resolve=True), default=str),
        json.dumps(runs),
        *(version(package) for package in ("hydra-core", "omegaconf")),
        *(f"{p} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in _named(runs)),
    ]
    digest = hashlib.sha256("\n".join(parts).encode())
    for file in _sources():
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _named(runs: Iterable[Planned]) -> list[Path]:
    """Return the files that overrides give as values."""
    values = {word.partition("=")[2] for run in runs for word in run.overrides}
    return [Path(value) for value in sorted(values) if Path(value).is_file()]


def _sources() -> Iterator[Path]:
    for folder, kind in (("conf", "yaml"), ("experiments", "yaml"), ("src", "py")):
        yield from sorted((REPOSITORY / folder).rglob(f"*.{kind}"))
