"""Where a run comes from: the commit, the machine, the user and the process."""

from __future__ import annotations

import os
import socket
import subprocess
from importlib.metadata import version

from cnn_anatomy.core.hardware import description
from cnn_anatomy.core.paths import REPOSITORY
from cnn_anatomy.core.processes import process_start


def provenance_tags() -> dict[str, str]:
    """Return the tags that say what computed a run, `process_tags` among them."""
    return {
        "mlflow.source.git.commit": git_commit(),
        "mlflow.source.name": "cnn_anatomy.train",
        "hardware": description(),
        "mlflow.user": os.environ.get("USER", "unknown"),
        **process_tags(),
    }


def process_tags() -> dict[str, str]:
    """Return the tags that distinguish this process from any other: host, pid and start time."""
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "pid": str(pid),
        "process.started": str(process_start(pid)),
    }


def git_commit() -> str:
    """Return the repository's commit, with a plus sign where the working tree differs from it.

    Without a checkout, return the version of the installed package.
    """
    if REPOSITORY is None:
        return version("cnn-anatomy")
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        git = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    except OSError:
        return "unknown"
    return git.stdout.strip() or "unknown"
