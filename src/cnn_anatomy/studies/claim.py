"""Claims: falsifiable statements, as data in the study that decides them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from cnn_anatomy.core.errors import ConfigError, did_you_mean

DIRECTIONS = {
    "higher": lambda value: value,
    "lower": lambda value: -value,
    "nearer zero": lambda value: -abs(value),
}


@dataclass(frozen=True)
class Claim:
    """A statement about two sides of a study, paired by seed.

    Args:
        id: of the ledger: the statement's name, after a dot which part of it.
        statement: in words.
        source: who says so.
        metric: what is compared; `untrained/name` is that of the untrained network.
        better: `higher`, `lower` or `nearer zero`: where the treatment is said to be.
        treatment, control: params (or `variant`) that pick one run of every seed; the control may
            be a number that the treatment is compared with.
        matters: the smallest difference that matters, in the metric's own unit.
        scope: what else the verdict is bound to.
    """

    id: str
    statement: str
    source: str
    metric: str
    better: str
    treatment: Mapping[str, Any]
    control: Mapping[str, Any] | float
    matters: float
    scope: str = ""

    def oriented(self, value: float) -> float:
        """Return `value` turned so that more of it speaks for the claim."""
        return DIRECTIONS[self.better](value)


def parse(raw: Any) -> Claim:
    """Read one claim of a study's file.

    Raises:
        ConfigError: if it is malformed, naming the key.
    """
    known = {f.name for f in fields(Claim)}
    if not isinstance(raw, dict) or "id" not in raw:
        raise ConfigError(f"a claim lacks its id: {raw!r}")
    name = f"claim {raw['id']}"
    for key in raw.keys() - known:
        raise ConfigError(f"{name}: key {key} is none of {', '.join(sorted(known))}")
    for key in sorted(known - {"scope"} - raw.keys()):
        raise ConfigError(f"{name} lacks the key {key}")
    if raw["better"] not in DIRECTIONS:
        hint = did_you_mean(str(raw["better"]), DIRECTIONS)
        raise ConfigError(
            f"{name}: better={raw['better']} is none of {', '.join(DIRECTIONS)}{hint}"
        )
    for side in ("treatment", "control"):
        number = side == "control" and isinstance(raw[side], int | float)
        if not number and (not isinstance(raw[side], dict) or not raw[side]):
            raise ConfigError(f"{name}: {side} must map params to values, not {raw[side]!r}")
    if not isinstance(raw["matters"], int | float) or raw["matters"] < 0:
        raise ConfigError(f"{name}: matters={raw['matters']} is no number from 0 up")
    return Claim(**raw)
