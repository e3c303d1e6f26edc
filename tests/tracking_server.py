"""A real tracking server that a test may kill and start again."""

import sys

from processes import free_port, kill, start, until

from cnn_anatomy.tracking.server import server_answers


class TrackingServer:
    """`mlflow server` on a free port with its artifacts in `folder`, and `backend` or SQLite there.

    With `certificate`, a file that also holds the key, it speaks TLS.
    """

    def __init__(self, folder, backend=None, workers=1, certificate=None):
        port = free_port()
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
        """Start the server, and wait until it answers."""
        log = self.folder / "server.log"
        self.process = start(self.folder, *self.call, log=log)
        until(
            lambda: server_answers(self.uri), "answer", process=self.process, explain=log.read_text
        )

    def kill(self):
        """Kill the server and its workers."""
        kill(self.process)
