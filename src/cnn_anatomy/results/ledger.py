"""The ledger: every claim with its verdict, effect and evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient

from cnn_anatomy.errors import ConfigError
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.results.runs import Sweep, read
from cnn_anatomy.results.verdicts import Verdict, correct, judge, untried
from cnn_anatomy.studies import Study, load, names

HEADER = ("claim", "compared", "means", "difference for the claim [95 %]", "n", "d", "p", "verdict")
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
    for study in (load(name) for name in names()):
        if study.name not in known and study.claims:
            try:
                known[study.name] = study, read(client, study.name, study.metrics)
            except ConfigError:
                found += untried(study.name, study.claims)  # never swept
    for name, (study, sweep) in known.items():
        found += judge(name, study.claims, sweep)
    return correct(sorted(found, key=lambda v: v.study))


def table(verdicts: Sequence[Verdict], *, link: bool = False) -> str:
    """Return a GitHub table of verdicts; with `link`, to the study's page."""
    lines = [f"| {' | '.join(HEADER)} |", f"|{'---|' * len(HEADER)}"]
    return "\n".join([*lines, *(_line(v, link) for v in verdicts)]) + "\n"


def write(verdicts: Sequence[Verdict], root: Path) -> None:
    """Write the ledger to root/README.md."""
    words = [v.word for v in verdicts]
    counts = ", ".join(f"{words.count(w)} {w}" for w in ("supported", "refuted", "inconclusive"))
    text = (
        f"# Ledger\n\n{len(verdicts)} claims: {counts}.\n\n{table(verdicts, link=True)}\n{NOTE}\n"
    )
    root.mkdir(parents=True, exist_ok=True)
    (root / "README.md").write_text(text)


def _line(verdict: Verdict, link: bool) -> str:
    claim, d = verdict.claim, verdict.difference
    name = f"[{claim.id}]({verdict.study}/README.md)" if link else claim.id
    scope = f" ({claim.scope})" if claim.scope else ""
    cells = [f"**{name}** {claim.statement}{scope} — {claim.source}"]
    kind = metric(claim.metric)
    cells.append(
        f"{kind.label}, {_side(claim.treatment)} {claim.better} than {_side(claim.control)}"
    )
    if d is None:
        cells += ["–"] * 5
    else:
        cells.append(f"{kind.text(verdict.treatment)} against {kind.text(verdict.control)}")
        interval = (
            "" if verdict.exact else f" [{_bound(kind.text, d.low)}, {_bound(kind.text, d.high)}]"
        )
        cells.append(kind.text(d.mean) + interval)
        cells.append(str(d.n))
        cells += (
            ["exact", "–"]
            if verdict.exact
            else [f"{d.effect:.1f}".replace("-", "−"), _p(verdict.p)]
        )
    reason = f" ({verdict.reason})" if verdict.reason else ""
    cells.append(f"**{verdict.word}**{reason}")
    return f"| {' | '.join(cells)} |"


def _side(params: object) -> str:
    if not isinstance(params, dict):
        return str(params)
    return ", ".join(str(v) if k == "variant" else f"{k}={v}" for k, v in params.items())


def _bound(text: object, value: float) -> str:
    assert callable(text)
    return str(text(value)) if math.isfinite(value) else "…"


def _p(p: float | None) -> str:
    return "–" if p is None else f"{p:.3f}"
