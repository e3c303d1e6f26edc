"""Rank correlation with a published column, over seeds."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnn_anatomy.results.agreement import rank_agreement

PUBLISHED = {"a": 1.0, "b": 2.0, "c": 3.0}


def test_the_same_order_is_1_and_the_opposite_is_minus_1():
    same = {"a": pd.Series([5.0, 1.0]), "b": pd.Series([6.0, 2.0]), "c": pd.Series([70.0, 3.0])}
    found = rank_agreement(PUBLISHED, same)
    assert (found.n, found.mean, found.low, found.high) == pytest.approx((2, 1, 1, 1))
    assert rank_agreement(PUBLISHED, {k: -v for k, v in same.items()}).mean == pytest.approx(-1)


@given(st.lists(st.integers(0, 5), min_size=4, max_size=9).filter(lambda x: len(set(x)) > 1))
def test_it_is_spearmans_with_ties(values):
    published = {str(k): float(k // 2) for k in range(len(values))}
    ours = {str(k): pd.Series([float(v)]) for k, v in enumerate(values)}
    expected = stats.spearmanr(list(published.values()), values).statistic
    assert rank_agreement(published, ours).mean == pytest.approx(expected)


def test_without_an_order_there_is_none():
    assert rank_agreement(PUBLISHED, {"a": pd.Series([1.0]), "b": pd.Series([2.0])}) is None
    assert rank_agreement(PUBLISHED, dict.fromkeys("abc", pd.Series([1.0]))) is None
    seeds = {"a": pd.Series([1.0, 2.0]), "b": pd.Series([2.0, np.nan]), "c": pd.Series([3.0, 4.0])}
    assert rank_agreement(PUBLISHED, seeds).n == 1  # a row of the other seed is missing
