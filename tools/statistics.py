"""Measures by simulation how often verdicts are right: `python -m tools.statistics`.

It writes docs/statistics.md. The draws are seeded, so that the figures are the same each time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from cnn_anatomy.core.atomic import write_text
from cnn_anatomy.core.paths import HOME, PUBLISHED
from cnn_anatomy.report.markdown import markdown_table
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.results.sequential import SequentialEstimate, confidence_sequence
from cnn_anatomy.results.statistics import ALPHA, Estimate, Interval, independent_sum, pool
from cnn_anatomy.results.verdicts import (
    INCONCLUSIVE,
    REFUTED,
    SUPPORTED,
    Verdict,
    judge_together,
)
from cnn_anatomy.studies.claim import Claim
from cnn_anatomy.studies.study import load_study, study_names
from cnn_anatomy.sweep.until_decided import BATCH_SEEDS
from tools.replay import replayed

PAGE = HOME / "docs" / "statistics.md"
SEEDS = (3, 11, 24)
CLAIMS = 50
SHARED = 5  # claims that have one control
MATTERS = 1.0
DEVIATION = 3.3  # of a side, in units of what matters: usual for accuracies in the ledger
SETTINGS = (2, 3, 6)  # numbers of them
SPREADS = (0.0, 1.0, 4.0)  # standard deviations of their true effects, in standard errors
POWER = 0.8
MOST_SEEDS = 1000

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
SHAPES: dict[str, Draw] = {
    "normal": lambda random, size: random.normal(size=size),
    "skewed (exponential)": lambda random, size: random.exponential(size=size) - 1,
    "heavy tails (t, 5 degrees of freedom)": lambda random, size: random.standard_t(5, size=size),
}
LEDGERS = {
    "every effect just below what matters": (0.999,),
    "nothing": (0.0,),
    "effects of −5, 0, 0.5, 2, 5 and 11 times what matters": (-5.0, 0.0, 0.5, 2.0, 5.0, 11.0),
}
SPENT = {
    "every effect just below what matters": (0.999,),
    "effects of −5, 0, 0.5, 2, 5 and 11 times what matters": (-5.0, 0.0, 0.5, 2.0, 5.0, 11.0),
    "effects of 11 and 30 times what matters": (11.0, 30.0),
}
EFFECTS = (0.0, 2.0, 3.0, 5.0)  # in units of what matters


def coverage(samples: int = 5000) -> str:
    """Return how often the 95 % interval holds the true difference, by the values' distribution."""
    random = np.random.default_rng(0)
    rows = []
    for name, draw in SHAPES.items():
        for ratio in (1, 3):
            cells = []
            for n in SEEDS:
                a, b = draw(random, (samples, n)), ratio * draw(random, (samples, n))
                ends = [_interval(x, y) for x, y in zip(a, b, strict=True)]
                cells.append(_percent(np.mean([low <= 0 <= high for low, high in ends])))
            rows.append([name, f"1 : {ratio}", *cells])
    return markdown_table(
        ("values", "standard deviations", *(f"n = {n}" for n in SEEDS)), rows, left=2
    )


def pooled_coverage(samples: int = 5000) -> str:
    """Return how often the interval of a pooled effect holds the mean, and the estimated spread."""
    random = np.random.default_rng(0)
    rows = []
    for spread in SPREADS:
        for count in SETTINGS:
            errors = random.choice((0.5, 1.0, 2.0), (samples, count))
            effects = random.normal(0, np.sqrt(errors**2 + spread**2))
            pooled = [
                pool([Estimate(float(e), float(s), np.inf, 5) for e, s in zip(*pair, strict=True)])
                for pair in zip(effects, errors, strict=True)
            ]
            held = np.mean(
                [p is not None and p.interval.low <= 0 <= p.interval.high for p in pooled]
            )
            low, high = np.percentile([p.deviation for p in pooled if p is not None], (10, 90))
            rows.append([f"{spread:g}", f"{count}", _percent(held), f"{low:.1f} to {high:.1f}"])
    heads = ("true deviation between settings", "settings", "interval holds the mean")
    return markdown_table((*heads, "estimated deviation, 80 % of cases"), rows, left=1)


def false_verdicts(samples: int = 300) -> str:
    """Return how many verdicts of a ledger of CLAIMS claims are wrong, by n and the true effects.

    Each SHARED claims have one control, so that their effects depend on each other.
    """
    random = np.random.default_rng(1)
    rows = []
    for name, choices in LEDGERS.items():
        effects = np.resize(choices, CLAIMS)
        for n in SEEDS:
            judged = [_ledger(random, effects, np.full(CLAIMS, DEVIATION), n)
                      for _ in range(samples)]  # fmt: skip
            rows.append([name, str(n), *_decided_and_wrong(judged, effects)])
    return markdown_table(("true effects", "n", "decided", "wrong among the decided"), rows, left=1)


def looks(samples: int = 2000, most: int = SEEDS[-1]) -> str:
    """Return how often an interval ever misses the true effect if seeds are added one by one."""
    random = np.random.default_rng(2)
    x = random.normal(MATTERS, DEVIATION, (samples, most))
    intervals: dict[str, Callable[[np.ndarray], Interval]] = {
        "Student's": lambda values: _of_mean(values),
        "confidence sequence": lambda values: confidence_sequence(values, ALPHA),
    }
    rows = []
    for name, interval in intervals.items():
        last = [interval(row) for row in x]
        ever = [any(_misses(interval(row[:n])) for n in range(3, most + 1)) for row in x]
        rows.append([name, _percent(np.mean(list(map(_misses, last)))), _percent(np.mean(ever))])
    return markdown_table(
        ("95 % interval", f"misses at n = {most}", f"ever misses, n = 3 to {most}"), rows
    )


def seeds_spent(samples: int = 25, fixed: int = 11, most: int = SEEDS[-1]) -> str:
    """Return seeds and verdicts of a ledger with `fixed` seeds, and with UNTIL=decided.

    Seeds are those of a side, in the mean over claims; each claim has a control of its own.
    """
    random = np.random.default_rng(5)
    rows = []
    for name, choices in SPENT.items():
        effects = np.resize(choices, CLAIMS)
        rules: dict[str, Callable[[np.ndarray], list[Verdict]]] = {
            f"{fixed} for each": lambda x: judge_together(
                [_judged(independent_sum(sides, [1, -1])) for sides in x[:, :, :fixed]]
            ),
            f"until decided, at most {most}": _until_decided,
        }
        draws = random.normal(0, DEVIATION, (samples, CLAIMS, 2, most))
        draws[:, :, 0] += effects[:, None]
        for rule, judge in rules.items():
            judged = [judge(x) for x in draws]
            seeds = np.mean([v.effect.n for verdicts in judged for v in verdicts if v.effect])
            decided, wrong = _decided_and_wrong(judged, effects)
            rows.append([name, rule, f"{seeds:.1f}", decided, wrong])
    heads = ("true effects", "seeds", "seeds a side", "decided", "wrong among the decided")
    return markdown_table(heads, rows, left=2)


def _until_decided(draws: np.ndarray) -> list[Verdict]:
    """Judge claims from draws (claims, 2 sides, seeds), adding seeds to those that are open."""
    differences = draws[:, 0] - draws[:, 1]
    lengths = np.full(len(differences), BATCH_SEEDS)
    while True:
        verdicts = judge_together(
            [_judged(SequentialEstimate(tuple(x[:n])))
             for x, n in zip(differences, lengths, strict=True)]
        )  # fmt: skip
        more = [v.is_open and n < draws.shape[-1] for v, n in zip(verdicts, lengths, strict=True)]
        if not any(more):
            return verdicts
        lengths[more] += BATCH_SEEDS


def _judged(effect: Estimate | SequentialEstimate | None) -> Verdict:
    return Verdict("simulated", CLAIM, False, (), effect)


def _decided_and_wrong(judged: Sequence[Sequence[Verdict]], effects: np.ndarray) -> tuple[str, str]:
    """Return the share of claims that are decided, and the mean share of these that are wrong."""
    wrong = np.array([sum(_is_wrong(v, e) for v, e in zip(x, effects, strict=True))
                      for x in judged])  # fmt: skip
    decided = np.array([sum(v.word != INCONCLUSIVE for v in x) for x in judged])
    return (
        _percent(decided.mean() / len(effects)),
        _percent((wrong / np.maximum(decided, 1)).mean()),
    )


@dataclass(frozen=True)
class Noise:
    """What matters in one metric of a study, and its deviation over seeds."""

    study: str
    metric: str
    matters: float
    deviation: float


def noises() -> Iterator[Noise]:
    """Yield every metric that a claim is about and that a committed table has over seeds.

    The deviation is the median of the variants'.
    """
    for study in map(load_study, study_names()):
        file = PUBLISHED / study.name / "table.csv"
        table = pd.read_csv(file) if file.is_file() else pd.DataFrame()
        for name in dict.fromkeys(claim.metric for claim in study.claims):
            matters = min(claim.matters for claim in study.claims if claim.metric == name)
            column = table.get(f"{name} std", pd.Series(dtype=float)).dropna()
            if column.median() > 0 and not metric(name).exact and matters > 0:
                yield Noise(study.name, name, matters, float(column.median()))


def seeds_needed(found: list[Noise]) -> str:
    """Return how many seeds support an effect of a size with POWER, at the studies' deviations."""
    level = _level(CLAIMS // 2)
    rows = []
    for noise in found:
        kind = metric(noise.metric)
        needed = [_seeds(size * noise.matters, noise, level) for size in EFFECTS[1:]]
        rows.append([noise.study, kind.label, kind.text(noise.matters), kind.text(noise.deviation),
                     *needed])  # fmt: skip
    heads = ("study", "metric", "matters", "deviation", *(f"{e:g} ×" for e in EFFECTS[1:]))
    return markdown_table(heads, rows, left=2)


def planted(found: list[Noise], samples: int = 200, n: int = 11) -> str:
    """Return the verdicts on planted effects, of the size and noise of the studies' own metrics.

    All are in one ledger: each metric has a claim for each of EFFECTS.
    """
    random = np.random.default_rng(3)
    deviations = np.repeat([noise.deviation / noise.matters for noise in found], len(EFFECTS))
    effects = np.tile(EFFECTS, len(found))
    words: dict[float, list[str]] = {effect: [] for effect in EFFECTS}
    for _ in range(samples):
        for verdict, effect in zip(_ledger(random, effects, deviations, n), effects, strict=True):
            words[effect].append(verdict.word)
    rows = [
        [f"{effect:g} ×" if effect else "0 (A/A)",
         *(_percent(np.mean([w == word for w in words[effect]]))
           for word in (SUPPORTED, REFUTED, INCONCLUSIVE))]
        for effect in EFFECTS
    ]  # fmt: skip
    return markdown_table(("true effect", SUPPORTED, REFUTED, INCONCLUSIVE), rows)


def _interval(a: np.ndarray, b: np.ndarray) -> Interval:
    estimate = independent_sum([a, b], [1, -1])
    assert estimate is not None
    return estimate.interval()


def _of_mean(values: np.ndarray) -> Interval:
    estimate = independent_sum([values], [1])
    assert estimate is not None
    return estimate.interval()


def _misses(interval: Interval) -> bool:
    return not interval.low <= MATTERS <= interval.high


def _ledger(
    random: np.random.Generator, effects: np.ndarray, deviations: np.ndarray, n: int
) -> list[Verdict]:
    """Judge claims with these true effects and deviations, in units of what matters."""
    verdicts = []
    control = np.empty(0)
    for number, (effect, deviation) in enumerate(zip(effects, deviations, strict=True)):
        if number % SHARED == 0:
            control = random.normal(0, 1, n)
        treatment = random.normal(effect, deviation, n)
        estimate = independent_sum([treatment, deviation * control], [1, -1])
        verdicts.append(_judged(estimate))
    return judge_together(verdicts)


CLAIM = Claim(
    id="simulated",
    statement="",
    source="",
    metric="test/loss",
    better="higher",
    treatment={"variant": "treatment"},
    control={"variant": "control"},
    matters=MATTERS,
)


def _is_wrong(verdict: Verdict, effect: float) -> bool:
    return verdict.word == (REFUTED if effect >= MATTERS else SUPPORTED)


def _level(decided: int) -> float:
    """Return the level of the intervals if so many of CLAIMS claims are decided."""
    return ALPHA * decided / CLAIMS / sum(1 / k for k in range(1, CLAIMS + 1))


def _seeds(effect: float, noise: Noise, level: float) -> str:
    """Return the smallest n whose interval lies above what matters with POWER."""
    excess = (effect - noise.matters) / noise.deviation
    counts = range(2, MOST_SEEDS)
    place = bisect_left(counts, POWER, key=lambda n: _power(excess, n, level))
    return str(counts[place]) if place < len(counts) else f"over {MOST_SEEDS}"


def _power(excess: float, n: int, level: float, samples: int = 20000) -> float:
    """Return how often Welch's interval lies above 0 for a difference in standard deviations."""
    random = np.random.default_rng(4)
    values = excess + random.normal(size=samples) * np.sqrt(2 / n)
    variances = random.chisquare(n - 1, (2, samples)) / (n - 1) / n
    errors = np.sqrt(variances.sum(0))
    freedom = (n - 1) * variances.sum(0) ** 2 / (variances**2).sum(0)
    return float(np.mean(values > special.stdtrit(freedom, 1 - level / 2) * errors))


def _percent(share: float | np.floating) -> str:
    return f"{100 * share:.1f} %"


def page(found: list[Noise]) -> str:
    """Return docs/statistics.md."""
    return f"""# How often verdicts are right

`make statistics` writes this page, by simulation with fixed seeds. A claim says that an effect is
at least as large as what matters. It is supported if the interval of the effect lies at or above
that, refuted if it lies below, and inconclusive if the interval holds it.

## The interval

How often Welch's 95 % interval holds the true difference of two sides of n seeds each:

{coverage()}
## False verdicts

A ledger of {CLAIMS} claims, of which each {SHARED} have one control; a side's standard deviation
over seeds is {DEVIATION:g} times what matters. A verdict is wrong if it supports a claim whose true
effect is smaller than what matters, or refutes one whose effect is not. The level of the intervals
is chosen so that the expected share of wrong verdicts among the decided is at most 5 %:

{false_verdicts()}
## Looking often

The number of seeds has to be fixed before their results are seen. If seeds are added until a claim
is decided, Student's interval misses far more often than in 5 % of all claims; the confidence
sequence of `results/sequential.py` does not, however often one looks:

{looks()}
So `UNTIL=decided` starts with {BATCH_SEEDS} seeds and adds {BATCH_SEEDS} to the claims that are
still open, up to {SEEDS[-1]}. Against a number that is fixed beforehand, in ledgers of {CLAIMS}
claims as above:

{seeds_spent()}
And on the committed runs, of which `UNTIL=decided MAX_SEEDS=11` would have trained a part, each
study by itself. A claim is settled if it is supported or refuted, or its premise is unmet:

{replayed()}
A confidence sequence is wider than Student's interval at the same number of seeds. That is the
price of looking, which claims near what matters pay; they would get more than 11 seeds.

## Several settings

A claim that is judged in a further setting, on other data or by a wider network, is a further test.
Its verdict counts like any other when the level of the intervals is chosen: at most 5 % of all
decided verdicts, in whichever setting, are expected to be wrong. The pooled effect decides nothing.
How often its 95 % interval holds the mean of the settings' true effects, and how well the deviation
between settings is estimated, by simulation in units of the median standard error of a setting
(standard errors of 0.5, 1 and 2):

{pooled_coverage()}
Of two settings the interval is honest but wide, and the estimated deviation says next to nothing.

## Seeds needed

How many seeds support an effect of 2, 3 and 5 times what matters in {100 * POWER:.0f} % of all
cases, at the median standard deviation over seeds in the committed tables, if half of {CLAIMS}
claims are decided (intervals of {100 * (1 - _level(CLAIMS // 2)):.1f} %). An effect of just what
matters is never supported reliably: it can't be told from one that is slightly smaller.

{seeds_needed(found)}
## Planted effects

The verdicts on effects that were planted in draws with these standard deviations, at 11 seeds, all
in one ledger. A claim without any effect (A/A: two names for one variant) should be refuted, a
claim with a larger effect than what matters supported:

{planted(found)}"""


if __name__ == "__main__":
    write_text(Path(PAGE), page(list(noises())))
    print(f"wrote {PAGE.relative_to(HOME)}")
