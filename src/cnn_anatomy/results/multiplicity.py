"""Deciding many claims together."""

from __future__ import annotations

from collections.abc import Callable


def decided_together(
    decided: Callable[[int, float], bool], count: int, alpha: float
) -> tuple[frozenset[int], float]:
    """Return which of `count` claims are decided, and the level of their intervals.

    Claims are decided by intervals at the level α R / (K h), where R of the K claims are decided
    and h = 1 + 1/2 + … + 1/K. Then the expected share of intervals that miss, among those of the
    decided claims, is at most α, however the claims depend on each other (Benjamini & Yekutieli
    2005, False discovery rate-adjusted multiple confidence intervals for selected parameters: the
    false coverage-statement rate under general dependency). One claim more changes the level by
    some percent, where Bonferroni's and Holm's corrections ask the more of each claim the more
    claims there are.

    R is the largest number that fits; where none is decided, the level is that of R = 1.

    Args:
        decided: says of a claim, by its number, whether its interval at a level decides it; a claim
            that is decided at a level is decided at every larger one.
        count: the number of claims, K.
        alpha: the expected share of errors.
    """
    share = alpha / max(count, 1) / sum(1 / k for k in range(1, max(count, 1) + 1))
    for number in range(count, 0, -1):
        claims = frozenset(claim for claim in range(count) if decided(claim, share * number))
        if len(claims) >= number:
            return claims, share * number
    return frozenset(), share
