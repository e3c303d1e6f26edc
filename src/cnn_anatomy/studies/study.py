"""Studies: the files of experiments/, read as plain data."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.core.paths import REPOSITORY
from cnn_anatomy.studies import claim as claims
from cnn_anatomy.studies.claim import Claim
from cnn_anatomy.studies.fields import keys, listed, mapped, named, overrides, texts, whole

FOLDER = REPOSITORY / "experiments"
CORE = ("pooling", "skip", "inception", "aux", "freeze")


@dataclass(frozen=True)
class Table:
    """Which params name a table's rows, which metrics are its columns, what rows are held against.

    `baseline` is a variant's name: the first metric gets a column of paired differences to it.
    """

    rows: tuple[str, ...]
    metrics: tuple[str, ...]
    baseline: str | None = None


class Figure(NamedTuple):
    """A figure's name (see `results.figures`) and its settings."""

    name: str
    settings: Mapping[str, Any] = {}


FIGURES = (Figure("accuracy"), Figure("gradients"))


class Planned(NamedTuple):
    """One run of a study: its variant and seed, and the overrides that make the variant."""

    study: str
    variant: str
    seed: int
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A question, the axes it sweeps, its seeds, its table, and the claims that it decides.

    `grid` maps an override's key to its values (their product are the variants); `variants` names
    further ones by their overrides; `overrides` are common to all. `limits` says what the study
    does not show.
    """

    name: str
    question: str
    reading: str
    table: Table
    overrides: tuple[str, ...] = ()
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seeds: int = 3
    claims: tuple[Claim, ...] = ()
    figures: tuple[Figure, ...] = FIGURES
    limits: str = ""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return every metric that its table or its claims need."""
        return tuple(dict.fromkeys([*self.table.metrics, *(c.metric for c in self.claims)]))

    def runs(self, seeds: Sequence[int] | None = None) -> list[Planned]:
        """Return every run that the study plans; the first seed of all variants comes first."""
        named: dict[str, tuple[str, ...]] = {}
        if self.grid:
            for values in itertools.product(*self.grid.values()):
                pairs = list(zip(self.grid, values, strict=True))
                name = " ".join(f"{key.split('.')[-1]}={value}" for key, value in pairs)
                named[name] = tuple(f"{key}={value}" for key, value in pairs)
        named.update(self.variants)
        return [
            Planned(self.name, name, seed, (*self.overrides, *overrides))
            for seed in (range(self.seeds) if seeds is None else seeds)
            for name, overrides in named.items()
        ]


def names() -> list[str]:
    """Return the names of all studies."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def select(text: str) -> list[Study]:
    """Read the studies of a comma-separated list; `core` and `all` stand for several.

    Raises:
        ConfigError: if there is no such study, or its file is not one.
    """
    groups = {"core": list(CORE), "all": names()}
    wanted = [name for word in text.split(",") for name in groups.get(word, [word])]
    return [load(name) for name in dict.fromkeys(wanted)]


def load(name: str) -> Study:
    """Read experiments/<name>.yaml.

    Raises:
        ConfigError: if there is no such study, or its file is not one.
    """
    if name not in names():
        raise ConfigError(
            f"study={name} is none of {', '.join(names())}{did_you_mean(name, names())}"
        )
    return parse(name, FOLDER / f"{name}.yaml")


def parse(name: str, path: Path) -> Study:
    """Read a study's file.

    Raises:
        ConfigError: if it is malformed, naming the key.
    """
    known = {"question", "reading", "overrides", "grid", "variants", "seeds", "table", "claims"}
    known |= {"figures", "limits"}
    with keys(path, known) as raw:
        study = Study(
            name=name,
            question=str(raw["question"]),
            reading=str(raw["reading"]),
            table=_table(mapped("table", raw["table"])),
            overrides=overrides("overrides", raw.get("overrides", [])),
            grid={
                str(k): listed(f"grid.{k}", v)
                for k, v in mapped("grid", raw.get("grid", {})).items()
            },
            variants=named("variants", raw.get("variants", {})),
            seeds=whole("seeds", raw.get("seeds", 3)),
            claims=tuple(map(claims.parse, raw.get("claims", []))),
            figures=figures(raw),
            limits=str(raw.get("limits", "")),
        )
    variants = [run.variant for run in study.runs([0])]
    if not variants:
        raise ConfigError(f"{path.name} sweeps nothing: it needs a grid or variants")
    baseline = study.table.baseline
    if baseline is not None and baseline not in variants:
        raise ConfigError(
            f"{path.name}: table.baseline={baseline} is none of {', '.join(variants)}"
            f"{did_you_mean(str(baseline), variants)}"
        )
    return study


def figures(raw: Mapping[str, Any]) -> tuple[Figure, ...]:
    """Read the key `figures`, each a name or one name with its settings."""
    if "figures" not in raw:
        return FIGURES
    return tuple(map(_figure, listed("figures", raw["figures"])))


def _table(raw: Mapping[str, Any]) -> Table:
    rows, metrics = (texts(f"table.{key}", raw[key]) for key in ("rows", "metrics"))
    return Table(rows, metrics, raw.get("baseline"))


def _figure(raw: Any) -> Figure:
    if isinstance(raw, dict) and len(raw) == 1:
        ((name, settings),) = raw.items()
        return Figure(str(name), dict(settings or {}))
    if not isinstance(raw, str):
        raise ConfigError(f"figures holds {raw!r}, neither a name nor one name with its settings")
    return Figure(raw)
