"""Claims that were judged in several settings: where they hold, and their effect in the mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnn_anatomy.results.statistics import Estimate, PooledEstimate, pool
from cnn_anatomy.results.verdicts import SUPPORTED, Verdict
from cnn_anatomy.studies.claim import Claim


@dataclass(frozen=True)
class ClaimAcrossSettings:
    """A claim and the verdicts on it, one for each setting in which its study was run."""

    verdicts: Sequence[Verdict]

    @property
    def claim(self) -> Claim:
        """Return the claim."""
        return self.verdicts[0].claim

    @property
    def study(self) -> str:
        """Return the name of the study, without a setting."""
        return self.verdicts[0].study.partition("/")[0]

    @property
    def by_setting(self) -> dict[str, Verdict]:
        """Return the verdicts by the setting's name, the study's first setting first."""
        return {verdict.setting: verdict for verdict in self.verdicts}

    @property
    def sentence(self) -> str:
        """Return where the claim holds, as in `holds in digits, inconclusive in photos`."""
        places: dict[str, list[str]] = {}
        for setting, verdict in self.by_setting.items():
            places.setdefault(_predicate(verdict), []).append(setting)
        return ", ".join(f"{words} in {_listed(names)}" for words, names in places.items())

    @property
    def pooled(self) -> PooledEstimate | None:
        """Return the mean effect over the settings in which the claim's premises are met.

        It is None if there are fewer than two such settings, for counts, and where seeds were added
        until claims were decided, as such estimates have no standard error.
        """
        met = [v for v in self.verdicts if v.effect is not None and v.unmet is None]
        effects = [v.effect for v in met if isinstance(v.effect, Estimate)]
        return None if self.verdicts[0].exact or len(effects) < len(met) else pool(effects)


def across_settings(verdicts: Iterable[Verdict]) -> list[ClaimAcrossSettings]:
    """Return the claims that were judged in more than one setting, by id."""
    groups: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault((verdict.claim.id, verdict.study.partition("/")[0]), []).append(verdict)
    return [ClaimAcrossSettings(group) for _, group in sorted(groups.items()) if len(group) > 1]


def _predicate(verdict: Verdict) -> str:
    if verdict.effect is None:
        return verdict.absence
    return "holds" if verdict.word == SUPPORTED else verdict.word


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
