"""What is written of a study: page, tables, figures, and the runs behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

from cnn_anatomy.results import figures, ledger, render
from cnn_anatomy.results.runs import Sweep, gradients, read
from cnn_anatomy.results.table import PaperTable, build
from cnn_anatomy.results.verdicts import Verdict
from cnn_anatomy.studies import Study


@dataclass(frozen=True)
class Page:
    """A study's page as written to `folder`, and its table."""

    folder: Path
    parent: str
    markdown: str
    table: PaperTable


def publish(
    studies: Sequence[Study],
    client: MlflowClient,
    root: Path,
    parents: Mapping[str, str] | None = None,
) -> list[Page]:
    """Write every study's page to root/<study>/, and the ledger of all claims to root/README.md.

    A page is README.md, table.md, table.tex, table.csv, runs.json and the figures. The sweep is
    the study's among `parents`, or its latest with its own settings.

    Raises:
        ConfigError: if there is no such sweep, or a table or claim asks for what is not there.
    """
    parents = parents or {}
    sweeps = [(s, read(client, s.name, s.metrics, parents.get(s.name))) for s in studies]
    verdicts = ledger.gather(client, sweeps)
    if verdicts:
        ledger.write(verdicts, root)
    return [
        _publish(study, sweep, [v for v in verdicts if v.study == study.name], client, root)
        for study, sweep in sweeps
    ]


def _publish(
    study: Study, sweep: Sweep, verdicts: Sequence[Verdict], client: MlflowClient, root: Path
) -> Page:
    table = build(study, sweep)
    folder = root / study.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.md").write_text(render.markdown(table))
    (folder / "table.tex").write_text(render.latex(table))
    (folder / "table.csv").write_text(render.comma_separated(table))
    traced = sweep.runs[["variant", "seed", "status", "run_id", "key", "commit", "overrides"]]
    (folder / "runs.json").write_text(
        json.dumps(traced.to_dict("records"), indent=1, ensure_ascii=False) + "\n"
    )
    drawn = _draw(sweep, client, folder)
    page = _page(study, sweep, table, verdicts, drawn)
    (folder / "README.md").write_text(page)
    return Page(folder, sweep.parent, page, table)


def _draw(sweep: Sweep, client: MlflowClient, folder: Path) -> list[tuple[str, str]]:
    """Draw what the finished runs allow; return (file, caption) of each figure."""
    if sweep.finished.empty:
        return []
    figures.accuracy(sweep, folder)
    frames = {
        variant: [gradients(client, run) for run in done.run_id]
        for variant in sweep.variants
        if len(done := sweep.finished[sweep.finished.variant == variant])
    }
    figures.gradient_profile(frames, folder)
    return [
        ("accuracy.png", "Test accuracy of every variant"),
        ("gradients.png", "Gradient of the weights by depth, before and after training"),
    ]


def _page(
    study: Study,
    sweep: Sweep,
    table: PaperTable,
    verdicts: Sequence[Verdict],
    drawn: list[tuple[str, str]],
) -> str:
    runs = sweep.runs
    seeds = runs.seed.nunique()
    done = len(sweep.finished)
    commits = ", ".join(sorted(set(sweep.finished.commit.map(_short)))) or "none"
    holes = "" if done == len(runs) else f" **{len(runs) - done} of them are missing.**"
    data = ", ".join(sorted(set(sweep.finished.get("params.data", [])))) or "none"
    more = f" SEEDS={seeds}" if seeds != study.seeds else ""
    parts = [
        f"# {study.name}",
        study.question,
        study.reading,
        f"{len(runs)} runs, {seeds} seeds each variant, on {data}.{holes} Commit {commits}. "
        "A small network trained briefly: the numbers compare the rows with each other, "
        "not with a published figure.",
        f"```\nmake sweep STUDY={study.name}{more}\n```" if study.question else "",
        render.markdown(table).rstrip(),
        "Mean ± standard deviation over n seeds; the best of a column is bold.",
        *(f"![{caption}]({file})" for file, caption in drawn),
        *(("## Verdicts", ledger.table(verdicts).rstrip(), ledger.NOTE) if verdicts else ()),
        "The runs behind every cell are in [runs.json](runs.json); the table is also there as "
        "[LaTeX](table.tex) and [CSV](table.csv).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _short(commit: str) -> str:
    """Return eight digits of a commit, and the mark of a changed tree."""
    return commit[:8] + ("+" if commit.endswith("+") else "")
