"""What a sweep's command line asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.override_parser.types import Override

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.studies.paper import Paper, select_papers
from cnn_anatomy.studies.study import PlannedRun, Study, Table, select_studies

METRICS = ("test/accuracy", "gap/accuracy", "gradient/decay", "params/total", "macs")


@dataclass(frozen=True)
class Arguments:
    """The studies, and the runs of all.

    Args:
        studies: those named by `study=`, or one made of the swept overrides.
        runs: every run, the overrides common to all included.
        preset: whether this is the studies' own sweep, as their files have it or with more seeds.
        papers: the studies again, if they are papers.
    """

    studies: tuple[Study, ...]
    runs: tuple[PlannedRun, ...]
    preset: bool
    papers: tuple[Paper, ...] = ()


def parse(overrides: Sequence[Override], seeds: int | None, budget: str | None = None) -> Arguments:
    """Sort `study` and `seed` from the overrides of every run; `seeds` is how many of each.

    With a `budget`, `study` names papers.

    Raises:
        ConfigError: if one of them has no meaning.
    """
    own = {o.key_or_group: o for o in overrides if o.key_or_group in ("study", "seed")}
    rest = [o for o in overrides if o.key_or_group not in own]
    chosen = _seeds(own.get("seed"), seeds)
    papers: list[Paper] = []
    studies: Sequence[Study]
    if "study" in own:
        named = ",".join(_values(own["study"]))
        if budget is None:
            studies = select_studies(named)
        else:
            replaced = any(o.key_or_group == "data" for o in rest)
            studies = papers = select_papers(named, budget, data_replaced=replaced)
        swept = [o for o in rest if o.is_sweep_override()]
        if swept:
            raise ConfigError(
                f"{swept[0].input_line} sweeps beside study={studies[0].name}, which has its own "
                "grid: give one value, or leave study out"
            )
        common = tuple(str(o.input_line) for o in rest)
    else:
        studies, common = [_adhoc(rest)], ()
    runs = [r for study in studies for r in study.runs(chosen)]
    if papers:  # whose data may be another, and is named in what is written
        rest = [o for o in rest if o.key_or_group.split(".")[0] != "data"]
    return Arguments(
        papers=tuple(papers),
        studies=tuple(studies),
        runs=tuple(r._replace(overrides=(*r.overrides, *common)) for r in runs),
        preset="study" in own and not rest and all(_enough(s, chosen) for s in studies),
    )


def _enough(study: Study, seeds: Sequence[int] | None) -> bool:
    """Return whether `seeds` are the study's own, or those and more."""
    return seeds is None or set(range(study.seeds)) <= set(seeds)


def _adhoc(overrides: Sequence[Override]) -> Study:
    """Return the study that swept overrides amount to: their product, with one seed."""
    grid = {
        o.get_key_element(): tuple(str(v) for v in o.sweep_string_iterator())
        for o in overrides
        if o.is_sweep_override()
    }
    for key, values in grid.items():
        if not values:
            raise ConfigError(f"{key} sweeps nothing: give it one or more values, as in {key}=a,b")
    fixed = tuple(str(o.input_line) for o in overrides if not o.is_sweep_override())
    rows = tuple(key.lstrip("+") for key in grid) or ("variant",)
    variants: dict[str, tuple[str, ...]] = {} if grid else {"run": ()}
    return Study(
        name="adhoc",
        question="",
        reading="",
        table=Table(rows=rows, metrics=METRICS),
        overrides=fixed,
        grid=grid,
        variants=variants,
        seeds=1,
    )


def _seeds(seed: Override | None, seeds: int | None) -> Sequence[int] | None:
    if seed is not None:
        texts = _values(seed)
        if not all(t.strip().isdigit() for t in texts):
            raise ConfigError(f"seed={','.join(texts)} is no whole number from 0 up, nor a list")
        return [int(t) for t in texts]
    if seeds is not None and seeds < 1:
        raise ConfigError(f"hydra.sweeper.seeds={seeds} is below 1")
    return None if seeds is None else range(seeds)


def _values(override: Override) -> list[str]:
    """Return the values of `key=a,b`, or the one of `key=a`."""
    if override.is_sweep_override():
        return [str(v) for v in override.sweep_string_iterator()]
    return [override.get_value_element_as_str()]
