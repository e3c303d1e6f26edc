"""Whether variants had stopped improving, from their validation accuracy by epoch."""

import pandas as pd
import pytest

from cnn_anatomy.results.convergence import convergence, convergence_sentence


def curves(*gains, epochs=8):
    """Return a curve for each gain, all of which comes in the last quarter of the epochs."""
    flat = epochs - -(-epochs // 4)
    return [pd.Series([0.5] * flat + [0.5 + gain] * (epochs - flat)) for gain in gains]


@pytest.mark.parametrize(
    ("gains", "word"),
    [
        ((0.0, 0.001, -0.001), "stopped improving"),
        ((-0.1, -0.1, -0.1), "stopped improving"),  # it overfits
        ((0.05, 0.06, 0.07), "still improving"),
        ((0.005, 0.006, 0.0055), "stopped improving"),  # by less than what matters
        ((0.05, -0.06, 0.07), "undecided"),
        ((0.0,), "undecided"),  # one seed has no interval
    ],
)
def test_the_interval_of_the_gain_decides(gains, word):
    found = convergence(curves(*gains))
    assert found.word == word
    assert found.epochs == 2
    assert found.gain.mean == pytest.approx(sum(gains) / len(gains))


def test_a_gain_before_the_last_quarter_does_not_count():
    (history,) = curves(0.3, epochs=40)
    early = pd.Series([0.1, *history[30:], *[history.iloc[-1]] * 29])
    assert convergence([early] * 3).word == "stopped improving"


def test_one_epoch_shows_nothing():
    assert convergence([pd.Series([0.5])] * 3) is None
    assert convergence([]) is None
    assert convergence_sentence({}) == ""


def test_the_sentence_names_all_variants_by_what_became_of_them():
    flat, steep = convergence(curves(0, 0, 0)), convergence(curves(0.05, 0.06, 0.07))
    one = convergence(curves(0.05, 0.06, 0.07, epochs=2))
    assert convergence_sentence({"a": flat, "b": flat}) == (
        "at the end of the schedule every variant had stopped improving; points of validation "
        "accuracy gained in the last 2 epochs: a (+0.0), b (+0.0)"
    )
    assert convergence_sentence({"a": one}) == (
        "at the end of the schedule every variant was still improving; points of validation "
        "accuracy gained in the last epoch: a (+6.0)"
    )
    mixed = convergence_sentence({"a": steep, "b": flat, "c": one})
    assert "not shown that every variant had stopped" in mixed
    assert mixed.endswith(
        "last 1 to 2 epochs: stopped improving: b (+0.0); still improving: a (+6.0), c (+6.0)"
    )
