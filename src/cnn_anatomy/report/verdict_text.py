"""A verdict in words and numbers, as pages print it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cnn_anatomy.report.markdown import escape_html, markdown_table
from cnn_anatomy.results.metrics import Metric, metric
from cnn_anatomy.results.statistics import Difference
from cnn_anatomy.results.verdicts import Verdict

NUMBERS = ("compared", "means", "difference for the claim [95 %]", "n", "d", "p")
VERDICTS_NOTE = (
    "Means: treatment against control. Differences are paired by seed; a positive difference "
    "favours the claim. Brackets: 95 % bootstrap interval (BCa). d: Cohen's d for pairs. p: exact "
    "sign-flip test, Holm-corrected over all claims of the ledger. A claim is supported or refuted "
    "if p ≤ 0.05, the interval lies on one side of zero, and the difference is at least what "
    "matters. Counts are compared exactly, without p."
)


@dataclass(frozen=True)
class VerdictText:
    """The texts of one verdict."""

    verdict: Verdict

    @property
    def statement(self) -> str:
        """Return what is claimed, within which scope, and by whom."""
        return f"{self._scoped} — {self.verdict.claim.source}"

    @property
    def reason(self) -> str:
        """Return ` (why the verdict is inconclusive)`; empty for any other."""
        return f" ({self.verdict.reason})" if self.verdict.reason else ""

    @property
    def numbers(self) -> list[str]:
        """Return a cell for each of NUMBERS."""
        claim, difference = self.verdict.claim, self.verdict.difference
        label = metric(claim.metric).label
        compared = f"{label}, {_side(claim.treatment)} {claim.better} than {_side(claim.control)}"
        if difference is None:
            return [compared, *["–"] * 5]
        kind = metric(claim.metric)
        exact = self.verdict.exact
        return [
            compared,
            " against ".join(kind.text(v) for v in (self.verdict.treatment, self.verdict.control)),
            kind.text(difference.mean) + ("" if exact else f" {_interval(kind, difference)}"),
            str(difference.n),
            "exact" if exact else _effect(difference),
            "–" if exact else _p_value(self.verdict.p),
        ]

    @property
    def sentence(self) -> str:
        """Return the claim, what was compared and with which result."""
        claim, difference = self.verdict.claim, self.verdict.difference
        source = f"{claim.source[:1].upper()}{claim.source[1:]}"
        claimed = f"{claim.id}: {self._scoped} {source}."
        sides = f"{_side(claim.treatment)} against {_side(claim.control)}"
        if difference is None:
            return f"{claimed} No runs of {sides}."
        kind = metric(claim.metric)
        name = kind.name[:1].upper() + kind.name[1:]
        means = " against ".join(
            kind.quantity(kind.text(v)) for v in (self.verdict.treatment, self.verdict.control)
        )
        mean = kind.quantity(kind.text(difference.mean), difference=True)
        test = (
            ", compared exactly"
            if self.verdict.exact
            else f" {_interval(kind, difference)}, n = {difference.n}, "
            f"d = {_effect(difference)}, p = {_p_value(self.verdict.p)}"
        )
        return f"{claimed} {name}, {sides}: {means}, difference {mean}{test}."

    @property
    def markdown(self) -> str:
        """Return verdict and sentence as a line of Markdown."""
        return f"**{self.verdict.word.capitalize()}**{self.reason}. {escape_html(self.sentence)}"

    @property
    def _scoped(self) -> str:
        claim = self.verdict.claim
        return claim.statement + (f" ({claim.scope})" if claim.scope else "")


def verdicts_to_markdown(texts: Iterable[VerdictText], *, link: bool = False) -> str:
    """Return a Markdown table of verdicts; `link` makes each id a link to its study's page."""
    return markdown_table(("claim", *NUMBERS, "verdict"), [_cells(text, link) for text in texts])


def _cells(text: VerdictText, link: bool) -> list[str]:
    verdict = text.verdict
    name = verdict.claim.id
    if link:
        name = f"[{name}]({verdict.study}/README.md)"
    return [
        f"**{name}** {escape_html(text.statement)}",
        *map(escape_html, text.numbers),
        f"**{verdict.word}**{text.reason}",
    ]


def _side(params: Mapping[str, Any] | float) -> str:
    if isinstance(params, int | float):
        return str(params)
    return ", ".join(str(v) if k == "variant" else f"{k}={v}" for k, v in params.items())


def _interval(kind: Metric, difference: Difference) -> str:
    ends = (difference.low, difference.high)
    low, high = (kind.text(end) if math.isfinite(end) else "…" for end in ends)
    return f"[{low}, {high}]"


def _effect(difference: Difference) -> str:
    return f"{difference.effect:.1f}".replace("-", "−")


def _p_value(p: float | None) -> str:
    return "–" if p is None else f"{p:.3f}"
