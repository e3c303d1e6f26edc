"""When a sweep's mistakes are the command's own, so that further variants need not be composed."""

import pytest

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.sweep.mistakes import Mistakes


@pytest.mark.parametrize(
    ("sentences", "shared"),
    [
        ([], False),
        (["a"], False),
        (["a", "a"], True),
        (["a\nb", "a\nb"], True),
        (["a", "a\nb"], False),
        (["", "a"], False),
        (["a", "b"], False),
    ],
)
def test_mistakes_are_shared_if_two_variants_have_the_same(sentences, shared):
    mistakes = Mistakes()
    for number, sentence in enumerate(sentences):
        with mistakes.of(f"variant {number}"):
            if sentence:
                raise ConfigError(sentence)
    assert mistakes.are_shared() is shared
