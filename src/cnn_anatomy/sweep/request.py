"""What the command line of a sweep asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hydra.core.override_parser.types import Override

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.ranges import LARGEST_SEED
from cnn_anatomy.studies.match import MATCHED_COSTS, Match
from cnn_anatomy.studies.paper import Paper, select_papers
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.studies.selection import select_studies
from cnn_anatomy.studies.study import Study
from cnn_anatomy.studies.table_layout import Table

if TYPE_CHECKING:  # as it imports pandas, which takes a second
    from cnn_anatomy.results.tuning import Tuning

DECIDED = "decided"
ADHOC = "adhoc"  # the study that swept overrides amount to
ADHOC_METRICS = ("test/accuracy", "gap/accuracy", "gradient/decay", "params/total", "macs")


@dataclass(frozen=True)
class SweepRequest:
    """The studies of a sweep and their runs.

    Args:
        studies: the ones named by `study=`, or the one that swept overrides amount to.
        runs: every run, including the overrides common to all runs.
        preset: whether the studies keep the settings of their files; more seeds are allowed.
        papers: the studies again, if they are papers.
        tunings: how the variants of studies were tuned, by study.
    """

    studies: tuple[Study, ...]
    runs: tuple[PlannedRun, ...]
    preset: bool
    papers: tuple[Paper, ...] = ()
    tunings: Mapping[str, Tuning] = field(default_factory=dict)

    @property
    def descriptions(self) -> dict[str, str]:
        """Return what MLflow shows as the description of each study's experiment."""
        return {s.name: f"{s.question} {s.reading}".strip() for s in self.studies}


def parse_sweep(
    overrides: Sequence[Override],
    seeds: int | None,
    budget: str | None = None,
    setting: str | None = None,
) -> SweepRequest:
    """Separate `study` and `seed` from the overrides that apply to every run.

    Args:
        overrides: the words of the command line.
        seeds: number of seeds per variant, None for the study's own.
        budget: budget of the papers that `study` then names, None where it names studies.
        setting: setting of the studies, `all`, or None for the first.

    Raises:
        ConfigError: if one of them makes no sense, or a setting needs what isn't there.
    """
    special = {o.key_or_group: o for o in overrides if o.key_or_group in ("study", "seed")}
    if any(o.key_or_group == "evaluate" for o in overrides):
        raise ConfigError("evaluate measures one checkpoint: leave --multirun out")
    common = [o for o in overrides if o.key_or_group not in special]
    chosen_seeds = _seeds(special.get("seed"), seeds)
    if setting is not None and ("study" not in special or budget is not None):
        raise ConfigError(
            f"hydra.sweeper.setting={setting} (make: SETTING=) is of a study: give study=, too, "
            "and no paper"
        )
    if "study" not in special:
        study = _adhoc_study(common)
        return SweepRequest((study,), tuple(study.runs(chosen_seeds)), preset=False)
    studies, papers = _named(special["study"], budget, setting, common)
    _require_variables(studies)
    _refuse_axes(studies, common)
    words = tuple(str(o.input_line) for o in common)
    runs = [run for study in studies for run in study.runs(chosen_seeds)]
    if papers:  # may be trained on other data: their pages name it
        common = [o for o in common if o.key_or_group.split(".")[0] != "data"]
    return SweepRequest(
        studies=tuple(studies),
        runs=tuple(run._replace(overrides=(*run.overrides, *words)) for run in runs),
        preset=not common and all(_has_all_seeds(s, chosen_seeds) for s in studies),
        papers=tuple(papers),
    )


def with_match(request: SweepRequest, cost: str | None, to: str | None) -> SweepRequest:
    """Return the request with variants that all have the `cost` of the variant `to`.

    Raises:
        ConfigError: if there is no such cost or variant, or one of the two is left out.
    """
    if cost not in MATCHED_COSTS or to is None:
        raise ConfigError(
            f"hydra.sweeper.match={cost or 'null'} hydra.sweeper.match_to={to or 'null'} match "
            f"nothing: give a cost, {' or '.join(MATCHED_COSTS)}, and the variant that has it"
        )
    match = Match(cost=cost, to=to)
    for study in request.studies:
        match.check(study.overrides_by_variant, "hydra.sweeper.match")
        if study.tune is not None:
            study.tune.check({}, match.by)
    studies = tuple(study.model_copy(update={"match": match}) for study in request.studies)
    return replace(request, studies=studies, preset=False)


def check_until(request: SweepRequest, until: str, most: int) -> None:
    """Check that seeds can be added `until` the claims are decided, up to `most`.

    Raises:
        ConfigError: if not.
    """
    if until != DECIDED:
        raise ConfigError(f"hydra.sweeper.until={until} is not {DECIDED}, the only choice")
    for study in request.studies:
        if not study.claims:
            raise ConfigError(
                f"hydra.sweeper.until={DECIDED} adds seeds until claims are decided, and "
                f"study={study.name} has none"
            )
    seeds = {run.seed for run in request.runs}
    if seeds != set(range(len(seeds))):
        raise ConfigError(
            f"seed={','.join(map(str, sorted(seeds)))} leaves seeds out, which "
            f"hydra.sweeper.until={DECIDED} would not: give hydra.sweeper.seeds, a number"
        )
    if most < len(seeds):
        raise ConfigError(
            f"hydra.sweeper.max_seeds={most} is below {len(seeds)}, the number of seeds to begin "
            "with"
        )


def _named(
    study: Override, budget: str | None, setting: str | None, common: Sequence[Override]
) -> tuple[Sequence[Study], Sequence[Paper]]:
    """Return the studies that `study=` names, and again the papers among them."""
    names = ",".join(_values(study))
    papers: Sequence[Paper] = ()
    studies: Sequence[Study]
    if budget is None:
        studies = select_studies(names, setting)
    else:
        other_data = any(o.key_or_group == "data" for o in common)
        studies = papers = select_papers(names, budget, data_replaced=other_data)
    swept = [o for o in common if o.is_sweep_override()]
    if swept:
        raise ConfigError(
            f"{swept[0].input_line} sweeps beside study={studies[0].name}, which has its own "
            "grid: give one value, or leave study out"
        )
    return studies, papers


def _require_variables(studies: Sequence[Study]) -> None:
    """Raise a ConfigError if a study's setting needs an environment variable that isn't set."""
    for study in studies:
        setting = study.settings.get(study.setting)
        if setting is not None and (name := setting.unset_variable):
            needs = setting.needs or "set it"
            raise ConfigError(
                f"study={study.stem} in the setting {study.setting} needs the environment "
                f"variable {name}: {needs}"
            )


def _has_all_seeds(study: Study, seeds: Sequence[int] | None) -> bool:
    """Return whether `seeds` are the study's own, or these and more."""
    return seeds is None or set(range(study.seeds)) <= set(seeds)


def _adhoc_study(overrides: Sequence[Override]) -> Study:
    """Return the study of all combinations of swept overrides, with one seed."""
    grid = {
        o.get_key_element(): tuple(str(v) for v in o.sweep_string_iterator())
        for o in overrides
        if o.is_sweep_override()
    }
    for key, values in grid.items():
        if not values:
            name = key.lstrip("+")
            raise ConfigError(f"{name} sweeps nothing: give it one or more values: {name}=a,b")
        _refuse_repeats(key, values)
    fixed = tuple(str(o.input_line) for o in overrides if not o.is_sweep_override())
    rows = tuple(key.lstrip("+") for key in grid) or ("variant",)
    variants: dict[str, tuple[str, ...]] = {} if grid else {"run": ()}
    return Study(
        name=ADHOC,
        question="",
        reading="",
        table=Table(rows=rows, metrics=ADHOC_METRICS),
        overrides=fixed,
        grid=grid,
        variants=variants,
        seeds=1,
    )


def _seeds(seed: Override | None, count: int | None) -> Sequence[int] | None:
    """Return the seeds that `seed=` lists, or the first `count`; None if neither is given."""
    if seed is not None:
        words = _values(seed)
        if not all(word.strip().isdigit() for word in words):
            raise ConfigError(f"seed={','.join(words)} is no whole number from 0 up, nor a list")
        chosen = [int(word) for word in words]
        if max(chosen) > LARGEST_SEED:
            raise ConfigError(f"seed={max(chosen)} is above {LARGEST_SEED}, the largest seed")
        _refuse_repeats("seed", words)
        return chosen
    if count is not None and count < 1:
        raise ConfigError(f"hydra.sweeper.seeds={count} is below 1")
    return None if count is None else range(count)


def _refuse_repeats(key: str, values: Sequence[str]) -> None:
    """Raise a ConfigError if a value is given twice, as its runs would count as two."""
    for value in values:
        if values.count(value) > 1:
            raise ConfigError(f"{key}={','.join(values)} names {value} twice: give each value once")


def _refuse_axes(studies: Sequence[Study], common: Sequence[Override]) -> None:
    """Raise a ConfigError if an override replaces what the names of a study's variants tell."""
    for study in studies:
        varied = {
            word.partition("=")[0].lstrip("+~")
            for words in study.overrides_by_variant.values()
            for word in words
        } | ({study.tune.by} if study.tune else set())
        for override in common:
            key = override.key_or_group  # whose keys it replaces, too
            if any(name == key or name.startswith(f"{key}.") for name in varied):
                raise ConfigError(
                    f"{override.input_line} would replace what the variants of study={study.name} "
                    f"differ in: leave it out, or sweep {key} without study="
                )


def _values(override: Override) -> list[str]:
    """Return the values of `key=a,b`, or the one value of `key=a`."""
    if override.is_sweep_override():
        return [str(v) for v in override.sweep_string_iterator()]
    return [override.get_value_element_as_str()]
