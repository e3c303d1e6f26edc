"""Whether two columns put rows in the same order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cnn_anatomy.results.statistics import Summary, summarise

FEWEST_ROWS = 3  # of two, the rank correlation says no more than which is first


def rank_agreement(values: Mapping[str, float], others: Mapping[str, pd.Series]) -> Summary | None:
    """Summarise over seeds Spearman's rank correlation of rows with their values in `others`.

    A seed counts if it has a finite value of every row in both and these are not all equal. Return
    None if no seed counts or there are fewer than FEWEST_ROWS such rows.

    Args:
        values: a value by row, as published.
        others: values by seed of each row, as measured.
    """
    rows = [row for row in values if row in others and len(others[row])]
    if len(rows) < FEWEST_ROWS:
        return None
    seeds = pd.concat([others[row] for row in rows], axis=1).dropna()
    published = pd.Series([values[row] for row in rows]).rank()
    ranks = [pd.Series(measured).rank() for measured in seeds.to_numpy()]
    different = [x for x in ranks if x.nunique() > 1 and published.nunique() > 1]
    return summarise(float(np.corrcoef(published, x)[0, 1]) for x in different)
