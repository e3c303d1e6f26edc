"""A real Ray cluster of two nodes on loopback, of which one may be killed."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from processes import free_port, start, until

# On loopback no token is needed; Ray would keep one in the home folder.
QUIET = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
ENVIRONMENT = {**os.environ, **QUIET, "OMP_NUM_THREADS": "1"}


class RayCluster:
    """A head node at 127.0.0.1 and a second node at 127.0.0.2, with one CPU per node."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.address = f"127.0.0.1:{free_port()}"
        self.program = shutil.which("ray", path=str(Path(sys.executable).parent))
        self.nodes = []

    def start(self):
        """Start both nodes, and wait until the second has joined the head."""
        port = self.address.partition(":")[2]
        sizes = ["--num-cpus=1", "--object-store-memory=100000000"]
        self._node(
            *("--head", f"--port={port}", "--node-ip-address=127.0.0.1", *sizes),
            *("--include-dashboard=false", f"--temp-dir={self.folder}"),
        )
        until(lambda: self._count(), "head node", 120)
        self._node(f"--address={self.address}", "--node-ip-address=127.0.0.2", *sizes)
        until(lambda: self._count() == 2, "second node", 120)

    def kill_second(self):
        """Kill the second node and its workers, as when a machine fails."""
        _kill(self.nodes.pop())

    def stop(self):
        """Kill the nodes that are left."""
        while self.nodes:
            _kill(self.nodes.pop())

    def _node(self, *arguments):
        call = [self.program, "start", "--block", "--disable-usage-stats", *arguments]
        log = self.folder / "nodes.log"
        self.nodes.append(start(self.folder, *call, env=ENVIRONMENT, log=log))

    def _count(self):
        """Return the number of nodes that are alive."""
        call = [self.program, "status", "--address", self.address]
        status = subprocess.run(call, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        active = status.stdout.partition("Active:")[2].partition("Pending:")[0]
        return active.count("node_")


def _kill(process):
    family = [*psutil.Process(process.pid).children(recursive=True), process]
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            os.kill(member.pid, signal.SIGKILL)
    process.wait()
