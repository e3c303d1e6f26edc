"""What a sweep's command line asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hydra.core.override_parser.types import Override

from cnn_anatomy.errors import ConfigError
from cnn_anatomy.studies import Planned, Study, Table, select

METRICS = ("test/accuracy", "gap/accuracy", "gradient/decay", "params/total", "macs")


@dataclass(frozen=True)
class Arguments:
    """The studies, the runs of all, and what to do with them.

    Args:
        studies: those named by `study=`, or one made of the swept overrides.
        runs: every run, `common` overrides included.
        preset: whether this is the studies' own sweep, as their files have it.
        force: repeat what is done.
        plan: train nothing.
    """

    studies: tuple[Study, ...]
    runs: tuple[Planned, ...]
    preset: bool
    force: bool
    plan: bool


def parse(overrides: Sequence[Override]) -> Arguments:
    """Sort the sweeper's own words (`study seeds seed force plan`) from every run's overrides.

    Raises:
        ConfigError: if one of them has no meaning.
    """
    words = ("study", "seeds", "seed", "force", "plan")
    own = {o.key_or_group: o for o in overrides if o.key_or_group in words}
    rest = [o for o in overrides if o.key_or_group not in words]
    seeds = _seeds(own)
    if "study" in own:
        studies = select(own["study"].get_value_element_as_str())
        swept = [o for o in rest if o.is_sweep_override()]
        if swept:
            raise ConfigError(
                f"{swept[0].input_line} sweeps beside study={studies[0].name}, which has its own "
                "grid: give one value, or leave study out"
            )
        common = tuple(str(o.input_line) for o in rest)
    else:
        studies, common = [_adhoc(rest)], ()
    runs = [r for study in studies for r in study.runs(seeds)]
    return Arguments(
        studies=tuple(studies),
        runs=tuple(r._replace(overrides=(*r.overrides, *common)) for r in runs),
        preset="study" in own and not rest and seeds is None,
        force=_flag(own, "force"),
        plan=_flag(own, "plan"),
    )


def _adhoc(overrides: Sequence[Override]) -> Study:
    """Return the study that swept overrides amount to: their product, with one seed."""
    grid = {
        o.get_key_element(): [str(v) for v in o.sweep_string_iterator()]
        for o in overrides
        if o.is_sweep_override()
    }
    fixed = tuple(str(o.input_line) for o in overrides if not o.is_sweep_override())
    rows = tuple(key.lstrip("+") for key in grid) or ("variant",)
    variants: dict[str, tuple[str, ...]] = {} if grid else {"run": ()}
    return Study("adhoc", "", "", Table(rows, METRICS), fixed, grid, variants, seeds=1)


def _seeds(own: Mapping[str, Override]) -> Sequence[int] | None:
    if "seeds" in own:
        count = own["seeds"].value()
        if not isinstance(count, int) or count < 1:
            raise ConfigError(f"seeds={count} is no whole number from 1 up")
        return range(count)
    if "seed" in own:
        texts = own["seed"].get_value_element_as_str().split(",")
        if not all(t.strip().isdigit() for t in texts):
            raise ConfigError(f"seed={','.join(texts)} is no whole number from 0 up, nor a list")
        return [int(t) for t in texts]
    return None


def _flag(own: Mapping[str, Override], name: str) -> bool:
    if name not in own:
        return False
    value = own[name].value()
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={value} is neither true nor false")
    return value
