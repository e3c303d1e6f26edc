"""A real tracking server that a test may kill and start again."""

import os
import signal
import socket
import subprocess
import sys
import time

from cnn_anatomy.tracking.server import server_answers


class TrackingServer:
    """`mlflow server` on a free port, on `backend` or SQLite in `folder`, its artifacts there.

    With `certificate`, a file that has its key, too, it speaks TLS.
    """

    def __init__(self, folder, backend=None, workers=1, certificate=None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.folder = folder
        self.uri = f"http://127.0.0.1:{port}"
        self.call = [sys.executable, "-m", "mlflow", "server", "--port", str(port)]
        self.call += ["--workers", str(workers)]
        self.call += ["--backend-store-uri", backend or f"sqlite:///{folder}/mlflow.db"]
        self.call += ["--artifacts-destination", str(folder / "artifacts")]
        if certificate:
            self.uri = self.uri.replace("http", "https")
            files = f"--ssl-certfile={certificate} --ssl-keyfile={certificate}"
            self.call += ["--uvicorn-opts", files]

    def start(self):
        """Start it, and wait until it answers."""
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                self.call, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        for _ in range(240):
            if server_answers(self.uri):
                return
            time.sleep(0.5)
        raise AssertionError((self.folder / "server.log").read_text())

    def kill(self):
        """Kill it and its workers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
