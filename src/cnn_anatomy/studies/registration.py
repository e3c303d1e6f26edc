"""Pre-registration: what the claims of a study judged before its first run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cnn_anatomy.core.hashes import short_hash
from cnn_anatomy.studies.claim import Claim
from cnn_anatomy.studies.record import Params, Record
from cnn_anatomy.studies.study import Study

PROSE = {"id", "statement", "source", "scope"}  # of a claim: its verdict does not depend on them
SIDES = {"treatment", "control", "than", "through"}


class Registration(Record):
    """The claims of a study at a time before its first run.

    Attributes:
        time: when, in UTC (ISO 8601).
        claims: a hash of what each claim judges, by its id.
    """

    time: str
    claims: Mapping[str, str]

    @property
    def date(self) -> str:
        """Return the day, as in 2026-11-27."""
        return self.time.partition("T")[0]

    def changes(self, study: Study) -> dict[str, list[str]]:
        """Return the ids of the claims that were changed, added and dropped since."""
        then, now = self.claims, claim_hashes(study)
        return {
            "changed": [name for name in now if name in then and now[name] != then[name]],
            "added": [name for name in now if name not in then],
            "dropped": [name for name in then if name not in now],
        }


def registration(study: Study) -> Registration:
    """Return the registration of a study's claims as they are now."""
    time = datetime.now(UTC).isoformat(timespec="seconds")
    return Registration(time=time, claims=claim_hashes(study))


def claim_hashes(study: Study) -> dict[str, str]:
    """Return by its id a hash of what each claim judges: sides, metric, bounds and premises.

    Prose, the order of keys, and keys that a later version adds, do not count. A variant counts by
    its overrides, not by its name.
    """
    return {claim.id: short_hash(_judged(claim, study)) for claim in study.claims}


def _judged(claim: Claim, study: Study) -> str:
    content = claim.model_dump(exclude=PROSE | SIDES, exclude_defaults=True)
    sides = [[side.role, side.weight, _picked(side.where, study)] for side in claim.sides]
    return json.dumps([content, sides], sort_keys=True)


def _picked(where: Params | float, study: Study) -> Any:
    """Return what picks the runs of a side: params as MLflow has them; or a side's number."""
    if isinstance(where, int | float):
        return float(where)
    variants = study.overrides_by_variant
    return {k: variants.get(str(v), v) if k == "variant" else str(v) for k, v in where.items()}
