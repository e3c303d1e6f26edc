"""The map of claims × settings: the verdict in each, where the claim holds, the pooled effect."""

from __future__ import annotations

from collections.abc import Sequence

from cnn_anatomy.report.markdown import escape_html, markdown_table
from cnn_anatomy.results.across_settings import ClaimAcrossSettings
from cnn_anatomy.results.metrics import metric

POOLED_HEADS = ("pooled effect [95 %]", "deviation between settings")
ABSENT = "–"
SETTINGS_NOTE = (
    "The pooled effect is the mean over the settings in which the claim's premises are met, each "
    "of which may have another true effect (random effects: DerSimonian & Laird 1986; interval by "
    "Hartung & Knapp 2001). Beside it is the estimated standard deviation of these true effects, "
    "in the unit of the metric. From two settings it can hardly be estimated: the interval, of one "
    "degree of freedom, is then 12.7 standard errors wide to either side. Counts, which have no "
    "error, are not pooled, nor are effects whose seeds were added until claims were decided. "
    "Verdicts in further settings are further tests: all of the ledger are judged together."
)


def setting_names(claims: Sequence[ClaimAcrossSettings]) -> list[str]:
    """Return the settings in which any of the claims was judged."""
    return list(dict.fromkeys(name for claim in claims for name in claim.by_setting))


def settings_markdown(claims: Sequence[ClaimAcrossSettings]) -> str:
    """Return the map as a Markdown table."""
    names = setting_names(claims)
    rows = [
        [
            f"**{c.claim.id}** {escape_html(c.claim.statement)}",
            *(f"**{word}**" for word in cells_by_setting(c, names)),
            escape_html(c.sentence),
            *map(escape_html, pooled_cells(c)),
        ]
        for c in claims
    ]
    return markdown_table(("claim", *names, "in sum", *POOLED_HEADS), rows)


def cells_by_setting(across: ClaimAcrossSettings, names: Sequence[str]) -> list[str]:
    """Return the verdict on a claim in each of the settings `names`, or why there is none."""
    verdicts = map(across.by_setting.get, names)
    return [ABSENT if v is None else v.absence if v.effect is None else v.word for v in verdicts]


def pooled_cells(across: ClaimAcrossSettings) -> tuple[str, str]:
    """Return a claim's cells for POOLED_HEADS."""
    pooled, kind = across.pooled, metric(across.claim.metric)
    if pooled is None:
        return ABSENT, ABSENT
    low, high = map(kind.text, pooled.interval)
    return f"{kind.text(pooled.value)} [{low}, {high}]", kind.text(pooled.deviation)
