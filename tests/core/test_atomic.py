"""A file is there whole or not at all."""

import subprocess
import sys

import pytest

from cnn_anatomy.core.atomic import atomic_write


def test_a_file_is_replaced_at_the_end_and_kept_at_an_error(tmp_path):
    path = tmp_path / "new" / "file.json"
    with atomic_write(path) as part:
        part.write_text("first")
        assert not path.exists()

    def fails():
        with atomic_write(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_two_at_once_both_end_and_the_last_counts(tmp_path):
    path = tmp_path / "file"
    with atomic_write(path) as one, atomic_write(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # it ends after the other
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_deleted_and_what_a_living_one_writes_is_not(tmp_path):
    path = tmp_path / "file"
    source = (
        "import os, sys; from pathlib import Path; from cnn_anatomy.core.atomic import atomic_write"
        "\nwith atomic_write(Path(sys.argv[1])) as part: part.write_text('half'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", source, str(path)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".part"
    with atomic_write(path) as one, atomic_write(path) as other:
        one.write_text("one")
        other.write_text("other")
        assert set(tmp_path.iterdir()) == {one, other}
    assert list(tmp_path.iterdir()) == [path]
