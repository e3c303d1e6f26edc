"""Studies: the files of experiments/, and a user's own, which lie in any folder."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from cnn_anatomy.core.commands import sweep_command
from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.core.paths import (
    EXPERIMENTS,
    RESULTS,
    STUDIES_VARIABLE,
    own_studies,
    shown,
)
from cnn_anatomy.studies.claim import Claim
from cnn_anatomy.studies.figure import Figure, Figures
from cnn_anatomy.studies.match import Match
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.studies.reading import find_file, read_record, record_names
from cnn_anatomy.studies.record import Count, Key, Overrides, Record, Setting, override_value
from cnn_anatomy.studies.setting import ALL_SETTINGS, TRIALS, StudySetting, is_setting_name
from cnn_anatomy.studies.table_layout import Table
from cnn_anatomy.studies.tune import Tune

STUDY_NAME = r"\w[\w.-]*"  # also of an MLflow experiment and a folder


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
        match: which cost all variants have in equal measure.
        tune: the key whose value each variant takes by its accuracy in validation.
        settings: in which the claims are judged, by name; the first is the default.
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
    match: Match | None = None
    tune: Tune | None = None
    settings: Mapping[Key, StudySetting] = {}
    claims: tuple[Claim, ...] = ()
    figures: Figures = (Figure(name="accuracy"), Figure(name="gradients"))
    limits: str = ""

    @property
    def overrides_by_variant(self) -> dict[str, tuple[str, ...]]:
        """Return the overrides of each variant, without those that all share."""
        combinations = itertools.product(*self.grid.values()) if self.grid else ()
        cells = [
            [(k, override_value(v)) for k, v in zip(self.grid, c, strict=True)]
            for c in combinations
        ]
        products = {
            " ".join(f"{key.split('.')[-1]}={value}" for key, value in cell): tuple(
                f"{key}={value}" for key, value in cell
            )
            for cell in cells
        }
        return products | dict(self.variants)

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the params that name a row, those of `found_keys` included."""
        return tuple(dict.fromkeys([*self.table.rows, *self.found_keys]))

    @property
    def found_keys(self) -> tuple[str, ...]:
        """Return the keys whose values a sweep finds: to match costs, and by tuning."""
        return tuple(found.by for found in (self.match, self.tune) if found is not None)

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
        if self.match is not None:
            self.match.check(self.overrides_by_variant)
        for name, setting in (self.settings or {"": StudySetting()}).items():
            if (tune := setting.tuned_by(self.tune)) is not None:
                solved = None if self.match is None else self.match.by
                words = {f"the variant {v}": own for v, own in self.overrides_by_variant.items()}
                tune.check(words | {f"the setting {name}": setting.overrides}, solved)
        for name in self.settings:
            if not is_setting_name(name):
                raise ConfigError(
                    f"settings: {name} is no name of one: letters, digits, - and _, but not "
                    f"{ALL_SETTINGS}, nor with {TRIALS} at the end"
                )
        ids = [claim.id for claim in self.claims]
        for claim_id in ids:
            if ids.count(claim_id) > 1:
                raise ConfigError(f"claims: several have the id {claim_id}")
        return self


class Study(StudyFile):
    """A question, the axes it sweeps, its seeds, its table, and the claims that it decides.

    It is in one of its file's settings. In the first it is called as its file, in any other
    `<file>/<setting>`; either way it has its own MLflow experiment and its own folder of results.

    Attributes:
        name: also that of its MLflow experiment.
        file: of a user's own study.
        setting_overrides: those of its setting, which win over `overrides`.
    """

    name: str
    file: Path | None = None
    setting_overrides: Overrides = ()

    @property
    def stem(self) -> str:
        """Return the name of the study's file, which the study has in each of its settings."""
        return self.name.partition("/")[0]

    @property
    def setting(self) -> str:
        """Return the name of the study's setting; empty if its file has none."""
        return self.further_setting or next(iter(self.settings), "")

    @property
    def further_setting(self) -> str:
        """Return the name of the study's setting; empty if that is the first."""
        return self.name.partition("/")[2]

    @property
    def results(self) -> Path:
        """Return the folder for the results of all studies beside it, in a folder each."""
        return RESULTS if self.file is None else self.file.parent / "results"

    def command(self, seeds: int) -> str:
        """Return the command that sweeps the study with so many seeds."""
        word = self.stem if self.file is None else shown(self.file)
        given = {"setting": self.further_setting, "seeds": "" if seeds == self.seeds else seeds}
        return sweep_command(word, **{key: value for key, value in given.items() if value != ""})

    @property
    def trials(self) -> str:
        """Return the name of the study of the runs that tune it, which is like a setting's."""
        return f"{self.stem}/{'-'.join(filter(None, (self.further_setting, TRIALS)))}"

    @property
    def experiments(self) -> tuple[str, ...]:
        """Return the names of the MLflow experiments that its sweep needs."""
        return (self.name, self.trials) if self.tune else (self.name,)

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
        common = (*self.overrides, *self.setting_overrides)
        return [
            PlannedRun(self.name, variant, seed, (*common, *overrides), self.setting)
            for seed in (range(self.seeds) if seeds is None else seeds)
            for variant, overrides in self.overrides_by_variant.items()
        ]


def study_names() -> list[str]:
    """Return the names of the studies of experiments/."""
    return record_names(EXPERIMENTS)


def own_names() -> list[str]:
    """Return the names of the studies in the folder that CNN_ANATOMY_STUDIES names, if it is set.

    Raises:
        ConfigError: if there is no such folder.
    """
    folder = own_studies()
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"{STUDIES_VARIABLE}={folder} (make: STUDIES=) is no folder")
    return [] if folder is None else record_names(folder)


def option_folders(overrides: Iterable[str]) -> list[Path]:
    """Return the folders `conf` beside the user's own studies that `study=` names.

    They hold options that these studies may choose, as the folder of the studies holds modules.
    """
    named = (word.partition("=")[2] for word in overrides if word.startswith("study="))
    words = [word for text in named for word in text.split(",")]
    files = [Path(word).expanduser().absolute() for word in words if _is_path(word)]
    own = own_studies() if words else None
    places = [*(file.parent for file in files), *([own] if own else [])]
    return [place / "conf" for place in dict.fromkeys(places) if (place / "conf").is_dir()]


def load_study(word: str) -> Study:
    """Read a study in its first setting (see `load_settings`)."""
    return load_settings(word)[0]


def load_settings(word: str) -> list[Study]:
    """Read a study, and return it in each of its settings, the first one first.

    It is experiments/<name>.yaml, a study of the user's own folder, or the file at a path.

    Raises:
        ConfigError: if there is no such study, or its file is malformed.
    """
    if _is_path(word):
        file = Path(word).expanduser().absolute()
        if not file.is_file():
            raise ConfigError(f"study={word} is no file")
    elif word in own_names():
        file = find_file(own_studies() or EXPERIMENTS, "study", word)
    else:
        file = find_file(EXPERIMENTS, "study", word, own_names())
    content = read_record(file, StudyFile)
    if file.parent == EXPERIMENTS:
        return _settings(content, file.stem)
    taken = file.stem in study_names()
    if taken or not re.fullmatch(STUDY_NAME, file.stem):
        reason = "has the name of one of ours" if taken else "has no plain name"
        raise ConfigError(
            f"study={word} {reason}: its runs are kept under the file's name, so rename it "
            "(letters, digits, - and _)"
        )
    return _settings(content, file.stem, file)


def _settings(content: StudyFile, stem: str, file: Path | None = None) -> list[Study]:
    """Return the study that a file holds, in each of its settings."""
    studies: list[Study] = []
    for setting, own in (content.settings or {"": StudySetting()}).items():
        keys = {
            **dict(content),
            "name": f"{stem}/{setting}" if studies else stem,
            "file": file,
            "setting_overrides": own.overrides,
            "seeds": own.seeds or content.seeds,
            "tune": own.tuned_by(content.tune),
            "limits": own.limits or content.limits,
        }
        studies.append(Study(**keys))
    return studies


def _is_path(word: str) -> bool:
    """Return whether a word names a study's file, and not a study of ours or of a folder."""
    return "/" in word or word.endswith((".yaml", ".yml"))
