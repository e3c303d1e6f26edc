"""The line under a sweep's table that says how far it replicates the committed results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cnn_anatomy.core.paths import PUBLISHED
from cnn_anatomy.report.committed import committed_ledger
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.results.replication import MeanReplication, replicate_means
from cnn_anatomy.results.run_table import RUN_TABLE, read_run_table
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.statistics import ALPHA
from cnn_anatomy.results.verdicts import INCONCLUSIVE, confidence
from cnn_anatomy.studies.study import Study


def replication_line(
    study: Study, sweep: Sweep, words: Mapping[str, str], place: Path, published: Path = PUBLISHED
) -> str:
    """Return what `sweep` replicates of the committed runs; empty if none are committed.

    Args:
        study: the study or paper, with its own settings.
        sweep: its sweep.
        words: verdict by the id of the claim.
        place: the folder of its page under a root of results.
        published: the committed results.
    """
    file = published / place / RUN_TABLE
    if not file.is_file():
        return ""
    original = read_run_table(file, study.name)
    means = replicate_means(study.table.metrics, sweep, original, ALPHA)
    parts = [_means(means)]
    if words:
        parts.append(_verdicts(words, committed_ledger(published).words(study.name)))
    return f"replication: {'; '.join(parts)}"


def _means(means: MeanReplication) -> str:
    text = (
        f"{means.compared - means.outside.total()} of {means.compared} means lie in the committed "
        f"runs' {confidence(ALPHA)} prediction interval"
    )
    outside = ", ".join(f"{metric(name).name} {n}×" for name, n in means.outside.items())
    return f"{text} (outside: {outside})" if outside else text


def _verdicts(ours: Mapping[str, str], committed: Mapping[str, str]) -> str:
    both = {claim: (word, committed[claim]) for claim, word in ours.items() if claim in committed}
    same = sum(word == other for word, other in both.values())
    undecided = sum(INCONCLUSIVE in pair and len(set(pair)) > 1 for pair in both.values())
    contrary = [
        f"{claim} {word}, committed {other}"
        for claim, (word, other) in both.items()
        if word != other and INCONCLUSIVE not in (word, other)
    ]
    parts = [f"{same} of {len(both)} verdicts agree"]
    if undecided:
        parts.append(f"{undecided} decided in one of both only")
    return ", ".join([*parts, *contrary])
