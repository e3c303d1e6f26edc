"""A verdict in words and numbers, as pages print it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cnn_anatomy.report.markdown import escape_html, markdown_table
from cnn_anatomy.results.metrics import Metric, metric
from cnn_anatomy.results.statistics import ALPHA, Interval
from cnn_anatomy.results.verdicts import Verdict, confidence
from cnn_anatomy.studies.claim import Claim

NUMBERS = ("compared", "means", "effect [95 %]", "matters", "deciding interval", "n")
VERDICTS_NOTE = (
    "Means: treatment against control, over n seeds. Effect: the difference of the means (or the "
    "difference of two differences, or the change along the line fitted through ordered variants);"
    " a positive one favours the claim. Intervals are Welch's, or Student's of differences by seed"
    " where a claim says that its sides are paired. Where seeds were added until claims were "
    "decided, they are confidence sequences of differences by seed, which hold however often one "
    "looks (Wang & Ramdas 2023). The deciding interval is at the level that keeps the expected "
    "share of wrong verdicts among all decided ones at 5 % or less, under any dependence between "
    "claims (Benjamini & Yekutieli 2005). A claim says that the effect is at least what matters: "
    "it is supported if the deciding interval lies at or above that, refuted if it lies below, and"
    " inconclusive if it holds it. Where a condition that a claim presupposes was measured and is "
    "not surely met, its premise is unmet: the 95 % interval of a side's mean has to lie on the "
    "right side of a bound (a single seed's value counts as it is), and means that have to be "
    "alike are compared as they are. Counts are compared exactly."
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
        """Return ` (what refutes the claim or why it is not decided)`; empty if supported."""
        return f" ({self.verdict.reason})" if self.verdict.reason else ""

    @property
    def numbers(self) -> list[str]:
        """Return a cell for each of NUMBERS."""
        verdict, kind = self.verdict, metric(self.verdict.claim.metric)
        compared = f"{kind.label}, {_compared(verdict.claim)}"
        if verdict.effect is None:
            return [compared, "–", "–", kind.text(verdict.claim.matters), "–", "–"]
        value = kind.text(verdict.effect.value)
        return [
            compared,
            _means(verdict, kind.text),
            value if verdict.exact else f"{value} {_interval(kind, verdict.interval_at(ALPHA))}",
            kind.text(verdict.claim.matters),
            "exact" if verdict.exact else self._deciding,
            str(verdict.effect.n),
        ]

    @property
    def sentence(self) -> str:
        """Return the claim, what was compared and with which result."""
        verdict, claim = self.verdict, self.verdict.claim
        source = f"{claim.source[:1].upper()}{claim.source[1:]}"
        claimed = f"{claim.id}: {self._scoped} {source}."
        if verdict.effect is None:
            return f"{claimed} {verdict.absence.capitalize()}: {_compared(claim)}."
        kind = metric(claim.metric)
        name = kind.name[:1].upper() + kind.name[1:]
        means = _means(verdict, lambda value: kind.quantity(kind.text(value)))
        effect = kind.quantity(kind.text(verdict.effect.value), difference=True)
        test = (
            ", compared exactly"
            if verdict.exact
            else f" {_interval(kind, verdict.interval_at(ALPHA))}, n = {verdict.effect.n}, "
            f"decided by {self._deciding}"
        )
        return f"{claimed} {name}, {_compared(claim)}: {means}, effect {effect}{test}."

    @property
    def markdown(self) -> str:
        """Return verdict and sentence as a line of Markdown."""
        return f"**{self.verdict.word.capitalize()}**{self.reason}. {escape_html(self.sentence)}"

    @property
    def _deciding(self) -> str:
        kind, verdict = metric(self.verdict.claim.metric), self.verdict
        return f"{_interval(kind, verdict.interval)} ({confidence(verdict.level)})"

    @property
    def _scoped(self) -> str:
        claim = self.verdict.claim
        return claim.statement + (f" ({claim.scope})" if claim.scope else "")


def verdicts_to_markdown(texts: Iterable[VerdictText], *, linked: Collection[str] = ()) -> str:
    """Return a Markdown table of verdicts; ids are links to the pages of the studies `linked`."""
    heads = ("claim", *NUMBERS, "verdict")
    return markdown_table(heads, [_cells(text, linked) for text in texts])


def _cells(text: VerdictText, linked: Collection[str]) -> list[str]:
    verdict = text.verdict
    name = verdict.claim.id
    if verdict.study in linked:
        name = f"[{name}]({verdict.study}/README.md)"
    if linked:
        name += verdict.name.removeprefix(verdict.claim.id)
    return [
        f"**{name}** {escape_html(text.statement)}",
        *map(escape_html, text.numbers),
        f"**{verdict.word}**{text.reason}",
    ]


def _compared(claim: Claim) -> str:
    treatment, control = _side(claim.treatment), _side(claim.control)
    if claim.through is not None:
        between = "; ".join(map(_side, claim.through))
        return f"{claim.better} from {control} over {between} to {treatment}"
    if claim.than is not None:
        other = f"{_side(claim.than.treatment)} − {_side(claim.than.control)}"
        return f"({treatment} − {control}) {claim.better} than ({other})"
    return f"{treatment} {claim.better} than {control}"


def _means(verdict: Verdict, text: Callable[[float], str]) -> str:
    means = list(map(text, verdict.means))
    if verdict.claim.through is not None:
        return " to ".join(means)
    pairs = zip(means[::2], means[1::2], strict=True)
    return ", ".join(" against ".join(pair) for pair in pairs)


def _side(params: Mapping[str, Any] | float) -> str:
    if isinstance(params, int | float):
        return str(params)
    return ", ".join(str(v) if k == "variant" else f"{k}={v}" for k, v in params.items())


def _interval(kind: Metric, interval: Interval) -> str:
    low, high = (kind.text(end) if math.isfinite(end) else "…" for end in interval)
    return f"[{low}, {high}]"
