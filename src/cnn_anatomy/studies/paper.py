"""Papers: the files of experiments/papers/, published tables that ours are put beside."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Self

from pydantic import Field, model_validator

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.core.paths import EXPERIMENTS
from cnn_anatomy.studies.figure import Figures
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.studies.reading import find_file, read_record, record_names
from cnn_anatomy.studies.record import Count, Key, Names, Number, Overrides, Record
from cnn_anatomy.studies.study import Study
from cnn_anatomy.studies.table_layout import Table

PAPERS = EXPERIMENTS / "papers"
Published = Mapping[Key, Mapping[Key, Number]]


class Budget(Record):
    """What a reproduction spends.

    Attributes:
        data: overrides that choose the data; a user's `DATA=` replaces them.
        overrides: further overrides, which win over the variants'.
        seeds: how many seeds each variant is trained with.
        variants: the variants that are trained; by default all.
        limits: what the table does not show at this budget.
    """

    data: Overrides
    overrides: Overrides = ()
    seeds: Count = 1
    variants: Names | None = None
    limits: str = ""


class PaperFile(Record):
    """The content of experiments/papers/<name>.yaml.

    Attributes:
        title: the paper's title.
        source: authors, year, and the tables that the values come from.
        trained_on: the data that the published values are of, as the paper calls it.
        setting: the paper's data and schedule, and how ours differ.
        variants: the rows of the table, each with its overrides.
        metrics: columns of ours, besides those published.
        published: the paper's values by measure (`error`, `accuracy`, …) and variant.
        budgets: what can be spent; `paper` is the paper's own data and schedule.
        overrides: Hydra overrides that all variants share.
        approximate: variants whose values were read off a figure, or are uncertain.
        baseline: the variant that figures show as the baseline.
        figures: what is drawn.
    """

    title: str
    source: str
    trained_on: str
    setting: str
    variants: Mapping[Key, Overrides] = Field(min_length=1)
    metrics: Names
    published: Published
    budgets: Mapping[Key, Budget]
    overrides: Overrides = ()
    approximate: tuple[str, ...] = ()
    baseline: str | None = None
    figures: Figures = ()

    @model_validator(mode="after")
    def _names_its_own_variants(self) -> Self:
        if "paper" not in self.budgets:
            raise ConfigError("key budgets.paper is missing")
        for key, names in self._references():
            for name in names:
                if name not in self.variants:
                    raise ConfigError(
                        f"{key}: {name} is none of {', '.join(self.variants)}"
                        f"{did_you_mean(name, self.variants)}"
                    )
        for name, budget in self.budgets.items():
            if self.baseline and budget.variants and self.baseline not in budget.variants:
                raise ConfigError(f"budgets.{name}.variants lacks the baseline, {self.baseline}")
        return self

    def _references(self) -> Iterator[tuple[str, Collection[str]]]:
        """Yield each key whose values are names of variants, with those names."""
        yield "baseline", [self.baseline] if self.baseline is not None else []
        yield "approximate", self.approximate
        for measure, values in self.published.items():
            yield f"published.{measure}", values
        for name, budget in self.budgets.items():
            yield f"budgets.{name}.variants", budget.variants or ()


class Paper(Study):
    """A study whose rows a paper has published, at one of its budgets.

    Attributes:
        source: authors, year, and the tables that the values come from.
        trained_on: the data that the published values are of, as the paper calls it.
        published: the paper's values by measure (`error`, `accuracy`, …) and variant.
        approximate: variants whose values were read off a figure, or are uncertain.
        budget: the name of the budget.
        data: overrides that choose the data.
        original: the same for the paper's own data.
        last: overrides of the budget, after all others.
    """

    source: str = ""
    trained_on: str = ""
    published: Published = {}
    approximate: frozenset[str] = frozenset()
    budget: str = "paper"
    data: Overrides = ()
    original: Overrides = ()
    last: Overrides = ()

    def runs(self, seeds: Sequence[int] | None = None) -> list[PlannedRun]:
        """Return every run; the budget's overrides win over the variants'."""
        return [
            run._replace(overrides=(*run.overrides, *self.data, *self.last))
            for run in super().runs(seeds)
        ]


def paper_names() -> list[str]:
    """Return the names of all papers."""
    return record_names(PAPERS)


def select_papers(text: str, budget: str, *, data_replaced: bool) -> list[Paper]:
    """Read the papers of a comma-separated list, without their data if those are replaced.

    Raises:
        ConfigError: if there is no such paper or budget, or its file is malformed.
    """
    names = dict.fromkeys(text.split(","))
    return [load_paper(name, budget, data_replaced=data_replaced) for name in names]


def load_paper(name: str, budget: str, *, data_replaced: bool = False) -> Paper:
    """Read experiments/papers/<name>.yaml at one of its budgets, without its data if so wanted.

    Raises:
        ConfigError: if there is no such paper or budget, or its file is malformed.
    """
    path = find_file(PAPERS, "PAPER", name)
    content = read_record(path, PaperFile)
    if budget not in content.budgets:
        raise ConfigError(
            f"{path.name}: BUDGET={budget} is none of {', '.join(content.budgets)}"
            f"{did_you_mean(budget, content.budgets)}"
        )
    spent = content.budgets[budget]
    return Paper(
        name=name,
        question=content.title,
        reading=content.setting,
        table=Table(rows=("variant",), metrics=content.metrics, baseline=content.baseline),
        overrides=content.overrides,
        variants={name: content.variants[name] for name in spent.variants or content.variants},
        seeds=spent.seeds,
        figures=content.figures,
        limits=spent.limits,
        source=content.source,
        trained_on=content.trained_on,
        published=content.published,
        approximate=frozenset(content.approximate),
        budget=budget,
        data=() if data_replaced else spent.data,
        original=content.budgets["paper"].data,
        last=spent.overrides,
    )
