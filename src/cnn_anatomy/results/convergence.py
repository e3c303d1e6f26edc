"""Whether training had stopped improving a variant's validation accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import pandas as pd

from cnn_anatomy.results.statistics import Summary, summarise

SHARE = 0.25  # of the epochs, the last ones, in which the gain is measured
MATTERS = 0.01  # the smallest gain of accuracy that matters
STOPPED, IMPROVING, OPEN = "stopped improving", "still improving", "undecided"
LEADS = {
    STOPPED: "every variant had stopped improving",
    IMPROVING: "every variant was still improving",
    OPEN: "it is not shown that every variant had stopped improving",
}


@dataclass(frozen=True)
class Convergence:
    """What a variant's seeds gained in the last quarter of their epochs.

    Args:
        epochs: the number of these epochs, at least one.
        gain: of validation accuracy, a share of 1, over the seeds.
    """

    epochs: int
    gain: Summary

    @property
    def word(self) -> str:
        """Return whether the 95 % interval of the gain says that it matters.

        A variant has stopped improving if the interval lies below what matters, and is still
        improving if it lies above zero and reaches what matters. Otherwise, and with one seed, it
        is undecided. A schedule that ends with a learning rate of zero flattens any curve, so
        that a longer schedule may gain more.
        """
        if self.gain.high < MATTERS:
            return STOPPED
        return IMPROVING if self.gain.low > 0 else OPEN


def convergence(histories: Sequence[pd.Series]) -> Convergence | None:
    """Return what the seeds of a variant gained in the last epochs; None without two epochs.

    Args:
        histories: the validation accuracy after every epoch, of each seed.
    """
    trained = [history for history in histories if len(history) > 1]
    if not trained:
        return None
    epochs = max(ceil(SHARE * len(history)) for history in trained)
    gains = (h.iloc[-1] - h.iloc[-1 - min(epochs, len(h) - 1)] for h in trained)
    gain = summarise(gains)
    return None if gain is None else Convergence(epochs, gain)


def convergence_sentence(found: Mapping[str, Convergence]) -> str:
    """Return whether every variant had stopped improving, without full stop; empty without any."""
    if not found:
        return ""
    by_word: dict[str, list[str]] = {STOPPED: [], IMPROVING: [], OPEN: []}
    for variant, c in found.items():
        by_word[c.word].append(f"{variant} ({100 * c.gain.mean:+.1f})".replace("-", "−"))
    words = [word for word, names in by_word.items() if names]
    every = LEADS[words[0]] if len(words) == 1 else LEADS[OPEN]
    ends = sorted({c.epochs for c in found.values()})
    epochs = " to ".join(dict.fromkeys(map(str, (ends[0], ends[-1]))))
    span = "epoch" if epochs == "1" else f"{epochs} epochs"
    lists = "; ".join(f"{word}: {', '.join(by_word[word])}" for word in words)
    return (
        f"at the end of the schedule {every}; points of validation accuracy gained in the last "
        f"{span}: {lists if len(words) > 1 else ', '.join(by_word[words[0]])}"
    )
