"""Studies: the files of experiments/."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_serializer, model_validator

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.core.paths import EXPERIMENTS
from cnn_anatomy.studies.claim import Claim
from cnn_anatomy.studies.reading import find_file, read_record, record_names
from cnn_anatomy.studies.record import Count, Key, Names, Overrides, Record, Setting

CORE = ("pooling", "skip", "inception", "aux", "freeze")


class Table(Record):
    """The layout of a study's table.

    Attributes:
        rows: the params that name a row.
        metrics: the columns.
        baseline: a variant; the first metric gets a column of paired differences to it.
    """

    rows: Names
    metrics: Names
    baseline: str | None = None


class Figure(Record):
    """A figure's name (see `report.figures`) and its settings.

    In a file it is the name alone, or the name as a key that maps to the settings.
    """

    name: str
    settings: Mapping[str, Any] = {}

    @model_serializer
    def _as_in_a_file(self) -> str | dict[str, Any]:
        return {self.name: dict(self.settings)} if self.settings else self.name


def _figure(value: Any) -> Figure:
    match value:
        case Figure():
            return value
        case str():
            return Figure(name=value)
        case {**items} if len(items) == 1:
            ((key, settings),) = items.items()
            if isinstance(settings, dict) and all(isinstance(k, str) for k in (key, *settings)):
                return Figure(name=str(key), settings=settings)
    raise ConfigError("must be a figure's name, or its name as a key that maps to its settings")


Figures = tuple[Annotated[Figure, BeforeValidator(_figure)], ...]


class PlannedRun(NamedTuple):
    """One run of a study: its variant and seed, and the overrides that make the variant."""

    study: str
    variant: str
    seed: int
    overrides: tuple[str, ...]


class StudyFile(Record):
    """The content of experiments/<name>.yaml.

    Attributes:
        question: what the study asks.
        reading: how to read its table.
        table: the table's layout.
        overrides: Hydra overrides that all variants share.
        grid: values for each overridden key; every combination of them is a variant.
        variants: further variants by name, each with its overrides.
        seeds: how many seeds each variant is trained with.
        claims: the claims that the study decides.
        figures: what is drawn.
        limits: what the study does not show.
    """

    question: str
    reading: str
    table: Table
    overrides: Overrides = ()
    grid: Mapping[Key, Annotated[tuple[Setting, ...], Field(min_length=1)]] = {}
    variants: Mapping[Key, Overrides] = {}
    seeds: Count = 3
    claims: tuple[Claim, ...] = ()
    figures: Figures = (Figure(name="accuracy"), Figure(name="gradients"))
    limits: str = ""

    @property
    def overrides_by_variant(self) -> dict[str, tuple[str, ...]]:
        """Return the overrides of each variant, without those that all share."""
        combinations = itertools.product(*self.grid.values()) if self.grid else ()
        cells = [
            [(k, _written(v)) for k, v in zip(self.grid, c, strict=True)] for c in combinations
        ]
        products = {
            " ".join(f"{key.split('.')[-1]}={value}" for key, value in cell): tuple(
                f"{key}={value}" for key, value in cell
            )
            for cell in cells
        }
        return products | dict(self.variants)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = list(self.overrides_by_variant)
        if not names:
            raise ConfigError("there is nothing to sweep: give a grid or variants")
        if self.table.baseline not in (None, *names):
            raise ConfigError(
                f"table.baseline={self.table.baseline} is none of {', '.join(names)}"
                f"{did_you_mean(str(self.table.baseline), names)}"
            )
        ids = [claim.id for claim in self.claims]
        for claim_id in ids:
            if ids.count(claim_id) > 1:
                raise ConfigError(f"claims: several have the id {claim_id}")
        return self


class Study(StudyFile):
    """A question, the axes it sweeps, its seeds, its table, and the claims that it decides."""

    name: str

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return every metric that the table, the claims or their premises need."""
        measured = [m for c in self.claims for m in (c.metric, *(p.metric for p in c.premises))]
        return tuple(dict.fromkeys([*self.table.metrics, *measured]))

    def runs(self, seeds: Sequence[int] | None = None) -> list[PlannedRun]:
        """Return every run that the study plans: all variants with the first seed, then the next.

        Args:
            seeds: in place of the study's own, which are 0 to `self.seeds` − 1.
        """
        return [
            PlannedRun(self.name, variant, seed, (*self.overrides, *overrides))
            for seed in (range(self.seeds) if seeds is None else seeds)
            for variant, overrides in self.overrides_by_variant.items()
        ]


def study_names() -> list[str]:
    """Return the names of all studies."""
    return record_names(EXPERIMENTS)


def select_studies(text: str) -> list[Study]:
    """Read the studies of a comma-separated list; `core` and `all` stand for several.

    Raises:
        ConfigError: if there is no such study, or its file is malformed.
    """
    groups = {"core": list(CORE), "all": study_names()}
    names = [name for word in text.split(",") for name in groups.get(word, [word])]
    return [load_study(name) for name in dict.fromkeys(names)]


def load_study(name: str) -> Study:
    """Read experiments/<name>.yaml.

    Raises:
        ConfigError: if there is no such study, or its file is malformed.
    """
    content = read_record(find_file(EXPERIMENTS, "study", name), StudyFile)
    return Study(name=name, **dict(content))


def _written(value: Any) -> str:
    """Return a value of a grid as Hydra's overrides write it."""
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    return "null" if value is None else str(value)
