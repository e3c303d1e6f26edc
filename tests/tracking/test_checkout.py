"""The commit of a checkout is its own, in full, and says whether the checkout was clean."""

import subprocess

import pytest

from cnn_anatomy.tracking.checkout import checkout_commit


def git(folder, *words):
    """Call Git in `folder`, and return what it says."""
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    call = ["git", "-C", str(folder), *author, *words]
    return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    """Return a repository of one commit that is laid out as this one."""
    folder = tmp_path / "checkout"
    for file in ("conf/train.yaml", "src/code.py", "experiments/results/README.md", "README.md"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("one\n")
    (folder / ".gitignore").write_text("__pycache__/\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


def test_it_has_all_digits_under_an_annotated_tag(checkout):
    git(checkout, "tag", "--annotate", "v1.0", "--message", "a version")
    commit = git(checkout, "rev-parse", "HEAD")
    assert len(commit) == 40
    assert checkout_commit(checkout) == commit


def test_it_is_not_of_the_repository_that_the_environment_names(checkout, monkeypatch):
    commit = git(checkout, "rev-parse", "HEAD")
    other = checkout.parent / "other"
    git(checkout.parent, "init", "--quiet", str(other))
    git(other, "commit", "--quiet", "--allow-empty", "--message", "another")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    found = checkout_commit(checkout)
    monkeypatch.undo()
    assert found == commit != git(other, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("file", "mark"),
    [
        ("README.md", "+"),
        ("src/code.py", "+"),
        ("conf/pooling/mine.yaml", "+"),
        ("experiments/results/README.md", ""),  # a sweep has written it
        ("experiments/results/skip/README.md", ""),
        ("src/__pycache__/code.pyc", ""),
        ("notes.txt", ""),
    ],
)
def test_a_plus_marks_a_difference(checkout, file, mark):
    (checkout / file).parent.mkdir(parents=True, exist_ok=True)
    (checkout / file).write_text("two\n")
    assert checkout_commit(checkout) == git(checkout, "rev-parse", "HEAD") + mark


def test_a_staged_change_and_a_deletion_are_differences(checkout):
    (checkout / "src/code.py").write_text("two\n")
    git(checkout, "add", ".")
    assert checkout_commit(checkout).endswith("+")
    git(checkout, "reset", "--quiet", "--hard")
    (checkout / "src/code.py").touch()
    assert not checkout_commit(checkout).endswith("+")
    (checkout / "src/code.py").unlink()
    assert checkout_commit(checkout).endswith("+")


def test_a_linked_worktree_has_its_own_commit(checkout, tmp_path):
    git(checkout, "worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    git(tmp_path / "linked", "commit", "--quiet", "--allow-empty", "--message", "second")
    assert checkout_commit(tmp_path / "linked") == git(tmp_path / "linked", "rev-parse", "HEAD")
    assert checkout_commit(tmp_path / "linked") != checkout_commit(checkout)


def test_it_is_unknown_outside_of_a_commit(checkout, tmp_path):
    unpacked = checkout / "outputs" / "unpacked"
    (unpacked / "conf").mkdir(parents=True)
    (unpacked / "conf" / "train.yaml").write_text("one\n")
    assert checkout_commit(unpacked) == "unknown"
    assert checkout_commit(tmp_path) == "unknown"
    git(tmp_path, "init", "--quiet")
    assert checkout_commit(tmp_path) == "unknown"
