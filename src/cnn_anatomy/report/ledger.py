"""The ledger: every claim with its verdict, effect and evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.results.metrics import Metric, metric
from cnn_anatomy.results.runs import Sweep, read
from cnn_anatomy.results.statistics import Difference
from cnn_anatomy.results.verdicts import Verdict, correct, judge, untried
from cnn_anatomy.studies.study import Study, load_study, study_names

HEADER = ("claim", "compared", "means", "difference for the claim [95 %]", "n", "d", "p", "verdict")
TOPICS = {
    "p": "Pooling",
    "d": "Depth",
    "s": "Skip connections",
    "i": "Inception",
    "a": "Auxiliary classifiers",
    "g": "Global average pooling",
    "t": "Transfer",
}
OTHER = "Other"
NOTE = (
    "Means are treatment against control, differences paired by seed and turned so that above zero "
    "speaks for the claim; bootstrap interval (BCa); d is Cohen's for pairs; p is the exact "
    "sign-flip test's, corrected by Holm for all claims of the ledger. *Supported* and *refuted* "
    "ask for p ≤ 0.05, an interval on one side of zero, and a difference of at least what matters. "
    "A count is decided exactly, without p."
)


def gather(client: MlflowClient, sweeps: Sequence[tuple[Study, Sweep]]) -> list[Verdict]:
    """Return the verdicts on all claims of the ledger.

    A study that is not among `sweeps` is judged by its latest own sweep, if there is one.
    """
    known = {study.name: (study, sweep) for study, sweep in sweeps}
    found: list[Verdict] = []
    for study in (load_study(name) for name in study_names()):
        if study.name not in known and study.claims:
            try:
                known[study.name] = study, read(client, study.name)
            except ConfigError:
                found += untried(study.name, study.claims)  # never swept
    for name, (study, sweep) in known.items():
        found += judge(name, study.claims, sweep)
    return correct(sorted(found, key=lambda v: v.study))


def topics(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    """Return the verdicts by the topic of their claims."""
    found: dict[str, list[Verdict]] = {topic: [] for topic in (*TOPICS.values(), OTHER)}
    for verdict in sorted(verdicts, key=lambda v: v.claim.id):
        found[TOPICS.get(verdict.claim.id[:1], OTHER)].append(verdict)
    return {topic: those for topic, those in found.items() if those}


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return how many claims there are and how many of each word."""
    words = [v.word for v in verdicts]
    counts = ", ".join(f"{words.count(w)} {w}" for w in ("supported", "refuted", "inconclusive"))
    return f"{len(verdicts)} claims: {counts}."


def sentence(verdict: Verdict) -> str:
    """Return a claim in words with its numbers."""
    claim, d = verdict.claim, verdict.difference
    kind = metric(claim.metric)
    scope = f" ({claim.scope})" if claim.scope else ""
    start = f"{claim.id}: {claim.statement}{scope} {claim.source[:1].upper()}{claim.source[1:]}."
    sides = f"{_side(claim.treatment)} against {_side(claim.control)}"
    if d is None:
        return f"{start} No runs of {sides}."
    means = " against ".join(
        kind.quantity(kind.text(v)) for v in (verdict.treatment, verdict.control)
    )
    gap = kind.quantity(kind.text(d.mean), difference=True)
    numbers = ", decided exactly" if verdict.exact else f" {_interval(kind, d)}, n = {d.n}"
    if not verdict.exact:
        numbers += f", d = {_effect(d)}, p = {_p(verdict.p)}"
    name = kind.name[:1].upper() + kind.name[1:]
    return f"{start} {name}, {sides}: {means}, difference {gap}{numbers}."


def table(verdicts: Sequence[Verdict], *, link: bool = False) -> str:
    """Return a GitHub table of verdicts; with `link`, to the study's page."""
    lines = [f"| {' | '.join(HEADER)} |", f"|{'---|' * len(HEADER)}"]
    return "\n".join([*lines, *(_line(v, link) for v in verdicts)]) + "\n"


def write(verdicts: Sequence[Verdict], root: Path) -> None:
    """Write the ledger to root/README.md."""
    parts = [
        f"## {topic}\n\n{table(those, link=True)}" for topic, those in topics(verdicts).items()
    ]
    text = "\n".join(["# Ledger\n", f"{summary(verdicts)}\n", *parts, NOTE])
    root.mkdir(parents=True, exist_ok=True)
    (root / "README.md").write_text(f"{text}\n")


def _line(verdict: Verdict, link: bool) -> str:
    claim = verdict.claim
    name = f"[{claim.id}]({verdict.study}/README.md)" if link else claim.id
    scope = f" ({claim.scope})" if claim.scope else ""
    reason = f" ({verdict.reason})" if verdict.reason else ""
    cells = [f"**{name}** {claim.statement}{scope} — {claim.source}", *numbers(verdict)]
    return f"| {' | '.join([*cells, f'**{verdict.word}**{reason}'])} |"


def numbers(verdict: Verdict) -> list[str]:
    """Return what stands between claim and verdict: see HEADER."""
    claim, d = verdict.claim, verdict.difference
    kind = metric(claim.metric)
    cells = [f"{kind.label}, {_side(claim.treatment)} {claim.better} than {_side(claim.control)}"]
    if d is None:
        cells += ["–"] * 5
    else:
        cells.append(f"{kind.text(verdict.treatment)} against {kind.text(verdict.control)}")
        interval = "" if verdict.exact else f" {_interval(kind, d)}"
        cells.append(kind.text(d.mean) + interval)
        cells.append(str(d.n))
        cells += ["exact", "–"] if verdict.exact else [_effect(d), _p(verdict.p)]
    return cells


def _side(params: object) -> str:
    if not isinstance(params, dict):
        return str(params)
    return ", ".join(str(v) if k == "variant" else f"{k}={v}" for k, v in params.items())


def _interval(kind: Metric, d: Difference) -> str:
    low, high = (kind.text(v) if math.isfinite(v) else "…" for v in (d.low, d.high))
    return f"[{low}, {high}]"


def _effect(d: Difference) -> str:
    return f"{d.effect:.1f}".replace("-", "−")


def _p(p: float | None) -> str:
    return "–" if p is None else f"{p:.3f}"
