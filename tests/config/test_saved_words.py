"""An evaluation begins with the overrides of the run whose weights it measures."""

import pytest

from cnn_anatomy.config.saved_words import OVERRIDES, inherited_words, saved_words

SAVED = (
    *("model=resnet", "++model.depth=20", "pooling@surgery.pooling=max", "pooling=blur_max"),
    *("++pooling.size=5", "~data.augment", "seed=3", "optimizer.lr=0.1", "freeze=none"),
    *("study=skip", "variant='a b'", "tracking.uri=sqlite:///x.db", "~probes.shift"),
)


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        ((), set()),
        (("model.depth=8",), {"++model.depth=20"}),
        (("model=vgg",), {"model=resnet", "++model.depth=20"}),
        (("pooling=avg",), {"pooling=blur_max", "++pooling.size=5"}),
        (("+pooling.size=3",), {"++pooling.size=5"}),
        (("surgery.pooling=avg",), {"pooling@surgery.pooling=max"}),
        (("data=cifar10", "seed=0"), {"~data.augment", "seed=3"}),
        (("model.dept=3",), set()),
    ],
)
def test_given_overrides_replace_those_of_the_run(given, left_out):
    of_training = set(SAVED[-6:])
    expected = [word.lstrip("+") for word in SAVED if word not in of_training | left_out]
    assert inherited_words(SAVED, given) == expected


@pytest.mark.parametrize("content", [None, "", "a: 1", "]", "[model.depth=8]"])
def test_a_folder_without_overrides_has_none(tmp_path, content):
    if content is not None:
        (tmp_path / OVERRIDES).write_text(content)
    expected = ["model.depth=8"] if content == "[model.depth=8]" else []
    assert saved_words(tmp_path) == expected
