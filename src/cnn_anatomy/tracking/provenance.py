"""Where a run comes from: the commit, the machine, the user and the process."""

from __future__ import annotations

import os
import socket
from importlib.metadata import version

from cnn_anatomy.core.hardware import description
from cnn_anatomy.core.paths import REPOSITORY
from cnn_anatomy.core.processes import process_start
from cnn_anatomy.tracking.checkout import checkout_commit


def provenance_tags() -> dict[str, str]:
    """Return the tags that say what computed a run, `process_tags` among them."""
    return {
        "mlflow.source.git.commit": code_commit(),
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


def code_commit() -> str:
    """Return the commit of the code, or without a checkout the version of the installed package."""
    return version("cnn-anatomy") if REPOSITORY is None else checkout_commit(REPOSITORY)
