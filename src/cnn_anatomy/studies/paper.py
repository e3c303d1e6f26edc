"""Papers: the files of experiments/papers/, published tables that ours are put beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.studies.fields import keys, listed, mapped, named, overrides, texts, whole
from cnn_anatomy.studies.study import FOLDER, Planned, Study, Table, figures

PAPERS = FOLDER / "papers"


@dataclass(frozen=True)
class Paper(Study):
    """A study whose rows a paper has published, at one of its budgets.

    Args:
        source: where the values stand.
        published: the values by measure (`error`, `accuracy`, …) and variant.
        approximate: variants whose values were read off a figure, or are uncertain.
        budget: the name of what was spent: `paper` is the paper's own schedule.
        data: overrides that choose the data; those that the paper used are `original`.
        last: overrides of the budget, after all others.
    """

    source: str = ""
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    approximate: frozenset[str] = frozenset()
    budget: str = "paper"
    data: tuple[str, ...] = ()
    original: tuple[str, ...] = ()
    last: tuple[str, ...] = ()

    def runs(self, seeds: Sequence[int] | None = None) -> list[Planned]:
        """Return every run; what the budget sets comes after the variants' own settings."""
        return [
            run._replace(overrides=(*run.overrides, *self.data, *self.last))
            for run in super().runs(seeds)
        ]


def names() -> list[str]:
    """Return the names of all papers."""
    return sorted(path.stem for path in PAPERS.glob("*.yaml"))


def select(text: str, budget: str, *, data: bool) -> list[Paper]:
    """Read the papers of a comma-separated list; `data` says that theirs is replaced.

    Raises:
        ConfigError: if there is no such paper or budget, or its file is malformed.
    """
    papers = [load(name, budget) for name in dict.fromkeys(text.split(","))]
    return [replace(paper, data=()) if data else paper for paper in papers]


def load(name: str, budget: str) -> Paper:
    """Read experiments/papers/<name>.yaml at one of its budgets.

    Raises:
        ConfigError: if there is no such paper or budget, or its file is malformed.
    """
    if name not in names():
        raise ConfigError(
            f"PAPER={name} is none of {', '.join(names())}{did_you_mean(name, names())}"
        )
    path = PAPERS / f"{name}.yaml"
    known = {"title", "source", "setting", "overrides", "variants", "metrics", "published"}
    known |= {"approximate", "budgets", "figures", "baseline"}
    with keys(path, known) as raw:
        budgets = mapped("budgets", raw["budgets"])
        if budget not in budgets:
            raise ConfigError(
                f"BUDGET={budget} is none of {', '.join(budgets)}{did_you_mean(budget, budgets)}"
            )
        spent = mapped(f"budgets.{budget}", budgets[budget])
        variants = named("variants", raw["variants"])
        published = _published(mapped("published", raw.get("published", {})), variants)
        approximate = listed("approximate", raw["approximate"]) if "approximate" in raw else []
        return Paper(
            name=name,
            question=str(raw["title"]),
            reading=str(raw["setting"]),
            table=Table(("variant",), texts("metrics", raw["metrics"]), raw.get("baseline")),
            overrides=overrides("overrides", raw.get("overrides", [])),
            variants=_rows(budget, spent, variants),
            seeds=whole(f"budgets.{budget}.seeds", spent.get("seeds", 1)),
            figures=figures(raw) if "figures" in raw else (),
            limits=str(spent.get("limits", "")),
            source=str(raw["source"]),
            published=published,
            approximate=frozenset(approximate),
            budget=budget,
            data=overrides(f"budgets.{budget}.data", spent["data"]),
            original=overrides("budgets.paper.data", budgets["paper"]["data"]),
            last=overrides(f"budgets.{budget}.overrides", spent.get("overrides", [])),
        )
    raise AssertionError  # `keys` raises where this could be reached


def _rows(
    budget: str, spent: Mapping[Any, Any], variants: Mapping[str, tuple[str, ...]]
) -> Mapping[str, tuple[str, ...]]:
    """Return the variants that a budget has rows of: those that it names, or all."""
    key = f"budgets.{budget}.variants"
    wanted = listed(key, spent["variants"]) if "variants" in spent else list(variants)
    for name in wanted:
        if name not in variants:
            raise ConfigError(
                f"{key}: {name} is none of {', '.join(variants)}{did_you_mean(name, variants)}"
            )
    return {name: variants[name] for name in wanted}


def _published(
    raw: Mapping[Any, Any], variants: Mapping[str, Any]
) -> Mapping[str, Mapping[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for measure, values in raw.items():
        for variant, value in mapped(f"published.{measure}", values).items():
            key = f"published.{measure}.{variant}"
            if variant not in variants:
                raise ConfigError(f"{key} is of no variant{did_you_mean(str(variant), variants)}")
            if not isinstance(value, int | float):
                raise ConfigError(f"{key}={value} is no number")
            found.setdefault(str(measure), {})[str(variant)] = float(value)
    return found
