"""CUDA's Multi-Process Service, which lets processes share a GPU at the same moment.

Without it, a GPU gives its processes turns, so that small runs beside each other gain little. See
NVIDIA's "Multi-Process Service", sections Environment Variables and nvidia-cuda-mps-control.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cnn_anatomy.core.notices import notice
from cnn_anatomy.core.processes import process_start

PROGRAM = "nvidia-cuda-mps-control"
PREFIX = "cnn-anatomy-mps-"
PIPES, LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
START_SECONDS = 20
QUIT_SECONDS = 10  # that running clients get before the service ends


class MultiProcessService:
    """A daemon of this process, with folders of its own; no other sweep's is touched.

    Processes that this one starts afterwards use it. `stop` ends it; if this process is killed, the
    next one that starts a daemon ends it.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None

    def start(self) -> None:
        """Start the daemon, or say in one line why not. One that the user has set up is used."""
        if os.environ.get(PIPES):
            return
        if shutil.which(PROGRAM) is None:
            notice(f"GPUs are shared by turns: {PROGRAM} is not there")
            return
        stop_orphans()
        # A socket's path may have a hundred letters at most, so the folder is not in the cache.
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        owner = f"{os.getpid()} {process_start(os.getpid())}"
        (folder / "owner").write_text(owner, encoding="utf-8")
        try:
            subprocess.run(
                [PROGRAM, "-d"],
                env={**os.environ, **_variables(folder)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                timeout=START_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            reason = (getattr(error, "stderr", None) or str(error)).strip()
            notice(f"GPUs are shared by turns: {PROGRAM} -d failed: {reason}")
            shutil.rmtree(folder, ignore_errors=True)
            return
        self.folder = folder
        os.environ.update(_variables(folder))
        notice(f"GPUs are shared by CUDA's Multi-Process Service (logs in {folder}/log)")

    def stop(self) -> None:
        """End the daemon, if it was started."""
        if self.folder is not None:
            for name in _variables(self.folder):
                os.environ.pop(name, None)
            _end(self.folder)
            self.folder = None


def stop_orphans() -> None:
    """End the daemons whose process has ended without doing so."""
    for owner in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/owner"):
        try:
            pid, _, start = owner.read_text(encoding="utf-8").partition(" ")
        except OSError:  # another user's, or ended this moment
            continue
        if pid.isdigit() and process_start(int(pid)) != start:
            _end(owner.parent)


def _end(folder: Path) -> None:
    subprocess.run(
        [PROGRAM],
        input=f"quit -t {QUIT_SECONDS}\n",
        env={**os.environ, **_variables(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=2 * QUIT_SECONDS,
        check=False,
    )
    shutil.rmtree(folder, ignore_errors=True)


def _variables(folder: Path) -> Mapping[str, str]:
    return {PIPES: str(folder / "pipe"), LOGS: str(folder / "log")}
