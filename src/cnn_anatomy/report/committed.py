"""The committed results, experiments/results: published from a sweep, and written from their runs.

A page's runs (runs.csv), how they were tuned (tuning.csv), what its figures show of them
(histories.parquet and others), the figures and their captions (figures.json) are the evidence.
Everything else, the ledger included, follows from the runs and the studies' files, and the figures
can be drawn again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.core.paths import EXPERIMENTS, PUBLISHED, REPOSITORY, RESULTS, shown
from cnn_anatomy.report.figures import draw_figures
from cnn_anatomy.report.ledger import Ledger, judge_sweeps
from cnn_anatomy.report.page import CAPTIONS, read_figures, write_captions
from cnn_anatomy.report.paper_page import write_paper_page
from cnn_anatomy.report.study_page import write_study_page
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.run_files import EVIDENCE, HISTORY_FILE, KeptFiles
from cnn_anatomy.results.run_table import REGISTRATION, RUN_TABLE, read_run_table, without_folders
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.tuning import TUNING
from cnn_anatomy.studies.paper import Paper, load_paper, paper_names
from cnn_anatomy.studies.selection import select_studies
from cnn_anatomy.studies.setting import ALL_SETTINGS
from cnn_anatomy.studies.study import Study, load_settings, study_names

TRIAL = "smoke"  # the budget whose numbers say nothing


class Publication(NamedTuple):
    """A study or paper, the runs of a sweep of it, and their folder under a root of results."""

    study: Study
    sweep: Sweep
    place: Path


def publish_results(
    names: Sequence[str],
    results: Path = RESULTS,
    published: Path = PUBLISHED,
    setting: str | None = None,
) -> Ledger:
    """Copy the evidence of studies and papers from `results` to `published`, and write its pages.

    Args:
        names: of studies and papers; none means all that `results` holds.
        results: where sweeps leave their pages.
        published: the committed results.
        setting: of the studies, or `all`; by default the first of each that is named.

    Raises:
        ConfigError: if a name is unknown, has no sweep in `results`, or was swept with other
            settings than its file's.
    """
    _require_checkout()
    wanted = {name for word in names for name in _named(word, results, setting)}
    if setting is not None and not names:
        raise ConfigError(f"SETTING={setting} is of a study: give STUDY=, too")
    found = [p for p in read_publications(results) if not names or p.study.name in wanted]
    for publication in found:
        _check_settings(publication)
    if not found:
        raise ConfigError(f"{shown(results)} holds no sweep to publish: make sweep")
    for _, _, place in found:
        _copy(results / place, published / place)
    return rewrite_results(published)


def rewrite_results(published: Path = PUBLISHED) -> Ledger:
    """Judge all claims by the committed runs, and write the ledger and all pages again."""
    _require_checkout()
    ledger = committed_ledger(published)
    for study, sweep, place in read_publications(published):
        folder = published / place
        figures = read_figures(folder)
        if isinstance(study, Paper):
            write_paper_page(study, sweep, folder, figures)
        else:
            write_study_page(study, sweep, ledger.study(study.name), folder, figures)
    ledger.write(published)
    return ledger


def committed_ledger(published: Path = PUBLISHED) -> Ledger:
    """Judge all claims by the committed runs."""
    found = read_publications(published)
    return judge_sweeps((p.study, p.sweep) for p in found if not isinstance(p.study, Paper))


def redraw_results(published: Path = PUBLISHED) -> list[Path]:
    """Draw all committed figures again from the committed evidence, and write all pages.

    Returns:
        The folders that hold no evidence, whose figures stay as they are.
    """
    _require_checkout()
    without = []
    for study, sweep, place in list(read_publications(published)):
        folder = published / place
        if not (folder / HISTORY_FILE).is_file():
            without.append(folder)
            continue
        for name in _pictures(folder):
            (folder / name).unlink(missing_ok=True)
        drawn = draw_figures(Evidence(study, sweep, KeptFiles(folder)), folder)
        write_captions(drawn, folder)
    rewrite_results(published)
    return without


def _pictures(folder: Path) -> list[str]:
    """Return the names of the figures' files in a page's folder."""
    return [f"{f.file}{kind}" for f in read_figures(folder) for kind in (".png", ".svg")]


def read_publications(root: Path) -> Iterator[Publication]:
    """Yield what a root of results holds of each study, then of each paper's serious budgets.

    A study comes in its first setting and then in its others.
    """
    for study in (study for name in study_names() for study in load_settings(name)):
        file = root / study.name / RUN_TABLE
        if file.is_file():
            yield Publication(study, read_run_table(file, study.name), Path(study.name))
    for name in paper_names():
        for file in sorted((root / "papers" / name).glob(f"*/{RUN_TABLE}")):
            budget, _, data = file.parent.name.partition("-")
            if budget != TRIAL:
                paper = load_paper(name, budget, data_replaced=bool(data))
                sweep = read_run_table(file, name)
                yield Publication(paper, sweep, file.parent.relative_to(root))


def _copy(source: Path, target: Path) -> None:
    """Replace the files of a page; folders hold the pages of the study's other settings."""
    target.mkdir(parents=True, exist_ok=True)
    for file in target.iterdir():
        if file.is_file():
            file.unlink()
    kept = (file.name for pattern in EVIDENCE for file in source.glob(pattern))
    beside = [name for name in (REGISTRATION, TUNING) if (source / name).is_file()]
    for name in (RUN_TABLE, CAPTIONS, *beside, *kept, *_pictures(source)):
        shutil.copy(source / name, target)


def _require_checkout() -> None:
    if REPOSITORY is None:
        raise ConfigError("an installed package has no committed results: do it in a checkout")


def _named(word: str, results: Path, setting: str | None) -> list[str]:
    """Return the names of a study in the wanted settings, or of a paper, that `results` holds."""
    choices = [*study_names(), *paper_names()]
    if word not in choices:
        raise ConfigError(
            f"{word} is none of the studies and papers {', '.join(choices)}"
            f"{did_you_mean(word, choices)}"
        )
    if word in paper_names():
        commands = {word: f"make reproduce PAPER={word}"}
    else:
        studies = select_studies(word, setting)
        commands = {study.name: study.command(study.seeds) for study in studies}
    held = {p.study.name for p in read_publications(results)}
    for name, command in commands.items():
        if name not in held and setting != ALL_SETTINGS:
            raise ConfigError(f"{shown(results)} holds no sweep of {name} to publish: {command}")
    return list(commands)


def _check_settings(publication: Publication) -> None:
    """Raise a ConfigError unless every run that the file plans was planned in just that way."""
    study, sweep, place = publication
    swept = {
        (variant, seed): _compared(study, overrides)
        for variant, seed, overrides in zip(
            sweep.runs.variant, sweep.runs.seed, sweep.runs.overrides, strict=True
        )
    }
    seeds = sorted({*range(study.seeds), *map(int, sweep.runs.seed)})
    planned = {(r.variant, r.seed): _compared(study, r.overrides) for r in study.runs(seeds)}
    own = {run: words for run, words in planned.items() if run[1] < study.seeds}
    as_planned = own.items() <= swept.items() <= planned.items()
    if not (as_planned and _tuned_as_told(study, sweep)):
        folder = "papers/" if isinstance(study, Paper) else ""
        file = shown(EXPERIMENTS / f"{folder}{study.stem}.yaml")
        raise ConfigError(f"the sweep in {place} has other seeds or settings than {file} now has")


def _tuned_as_told(study: Study, sweep: Sweep) -> bool:
    """Return whether the variants of a sweep were tuned by what the study's file says."""
    if study.tune is None or sweep.tuning is None:
        return study.tune is None and sweep.tuning is None
    tried = (sweep.tuning.key, tuple(sweep.tuning.values), len(sweep.tuning.seeds))
    return tried == (study.tune.by, study.tune.words, study.tune.seeds)


def _compared(study: Study, overrides: Sequence[str]) -> list[str]:
    """Return the overrides that the file tells.

    Without those of the data, if a paper was trained on other data, and without what a sweep finds.
    """
    words = without_folders(overrides)
    words = [word for word in words if word.split("=")[0] not in study.found_keys]
    if isinstance(study, Paper) and not study.data:
        return [w for w in words if w.lstrip("+").split("=")[0].split(".")[0] != "data"]
    return words
