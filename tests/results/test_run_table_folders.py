"""Committed overrides name no folder of a machine."""

import pytest

from cnn_anatomy.results.run_table import without_folders


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("data.source.root=/home/ada/photos", "data.source.root=photos"),
        ("data.source.root=/home/ada/photos/", "data.source.root=photos"),
        ("++data.source.root='/home/ada/my photos'", "++data.source.root='my photos'"),
        ("data.source.root=~/photos", "data.source.root=photos"),
        ("a=[/x/y,/z/w]", "a=[y,w]"),
        ("a={root:/x/y}", "a={root:y}"),
        ("model.depth=20", "model.depth=20"),
        ("transfer.source=runs:/0a1b", "transfer.source=runs:/0a1b"),
        ("transfer.source=weights/a.pt", "transfer.source=weights/a.pt"),
        ("data.source.root=${oc.env:IMAGES}", "data.source.root=${oc.env:IMAGES}"),
        ("tracking.uri=http://host:5000", "tracking.uri=http://host:5000"),
    ],
)
def test_a_path_becomes_its_last_name(word, kept):
    assert without_folders([word]) == [kept]
