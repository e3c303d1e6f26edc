"""A committed copy of this checkout with one more study, and commands in it."""

import shutil
import subprocess

from helpers import REPOSITORY, environment
from processes import ended, python_path, start


def copied(folder, study):
    """Copy code, configuration and studies to `folder`, with `study` as tiny.yaml, and commit."""
    for part in ("src", "conf", "experiments"):
        shutil.copytree(
            REPOSITORY / part, folder / part, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(REPOSITORY / ".gitignore", folder)
    (folder / "experiments" / "tiny.yaml").write_text(study)
    git(folder, "init", "--quiet")
    commit(folder)


def git(folder, *words):
    """Call Git in `folder`, and return what it says."""
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    call = ["git", "-C", str(folder), *author, *words]
    return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()


def commit(folder):
    """Commit all that changed."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")


def command(folder, *words, status=0):
    """Run a command in the copy, with its store beside it; return its output and errors."""
    own = environment(folder.parent, PYTHONPATH=python_path(folder / "src"))
    return ended(start(folder, *words, env=own), status)
