"""A private PostgreSQL, and a command that runs another one on it.

`python -m tools.postgres FOLDER COMMAND…` passes the database's address to COMMAND in
MLFLOW_BACKEND_STORE_URI, where `mlflow server` reads it.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.interrupts import STOP, Stopped

PATH_LIMIT = 80  # characters: the path of a socket may have 107, and its name follows
USER = "postgres"  # PostgreSQL refuses to run as root, and runs as this user instead


class Cluster:
    """A PostgreSQL cluster in `folder`, created at its first start.

    It listens on no port, only on a socket in `folder`, which other users can't enter; therefore it
    needs no password.

    Raises:
        ConfigError: if there is no PostgreSQL, no user to run it, or the path is too long.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.programs = find_programs()
        self.user = _database_user()
        if len(str(self.folder)) > PATH_LIMIT:
            raise ConfigError(
                f"{self.folder} has more than {PATH_LIMIT} characters, too many for a socket's "
                "path: choose another folder, or give BACKEND=postgresql://…"
            )

    @property
    def uri(self) -> str:
        """Return the address for SQLAlchemy."""
        return f"postgresql+psycopg2://{USER}@/postgres?host={quote(str(self.folder))}"

    def start(self) -> None:
        """Start the cluster unless it runs, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        if not self.data.exists():
            self._create()
        if not self.is_running:
            options = f"-k {shlex.quote(str(self.folder))} -c listen_addresses=''"
            words = ("-w", "-l", str(self.folder / "log"), "-o", options, "start")
            self._require("pg_ctl", self.data, *words)

    def stop(self, mode: str = "fast") -> None:
        """Stop the cluster; the mode `immediate` is a crash, which the next start recovers from."""
        self._require("pg_ctl", self.data, "-w", "-m", mode, "stop")

    @property
    def is_running(self) -> bool:
        """Return whether the cluster runs, whoever started it."""
        return self._run("pg_ctl", self.data, "status").returncode == 0

    def _create(self) -> None:
        part = self.folder / "part"  # renamed when complete: an interrupted one starts again
        shutil.rmtree(part, ignore_errors=True)
        words = ("--auth=trust", "--encoding=UTF8", "--no-locale", f"--username={USER}")
        self._require("initdb", part, *words)
        part.rename(self.data)

    def _require(self, program: str, data: Path, *words: str) -> None:
        process = self._run(program, data, *words)
        if process.returncode:
            raise ConfigError(f"{program} {words[-1]} in {self.folder} failed: {process.stdout}")

    def _run(self, program: str, data: Path, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.programs / program), "-D", str(data), *words]
        # A file, not a pipe: the server that goes on running would keep a pipe open.
        with (self.folder / f"{program}.log").open("w+", encoding="utf-8") as log:
            process = subprocess.run(
                command, cwd=self.folder, user=self.user, stdout=log, stderr=log, check=False
            )
            log.seek(0)
            return subprocess.CompletedProcess(
                command, process.returncode, " ".join(log.read().split())
            )


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Start the cluster in `folder`, yield its address, and stop it at the end.

    A lock protects the folder for as long as this process lives, or a child that inherits files.

    Raises:
        ConfigError: if the cluster can't be started, or another process holds the lock.
    """
    cluster = Cluster(folder)
    cluster.folder.mkdir(parents=True, exist_ok=True)
    with (cluster.folder / "in-use").open("w", encoding="utf-8") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another process serves the database of {cluster.folder}: end it first, or give "
                "BACKEND=postgresql://…"
            ) from None
        cluster.start()
        try:
            yield cluster.uri
        finally:
            with STOP.held():
                cluster.stop()


def find_programs() -> Path:
    """Return the folder of PostgreSQL's programs, on PATH or the newest that Debian installed.

    Raises:
        ConfigError: if there is none.
    """
    initdb = shutil.which("initdb")
    if initdb:
        return Path(initdb).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if not versions:
        raise ConfigError(
            "PostgreSQL is not installed: install it (Debian: apt-get install postgresql), or give "
            "the address of one, BACKEND=postgresql://…"
        )
    return versions[-1].parent


def _version(path: Path) -> float:
    text = path.parts[-3]
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0


def _database_user() -> str | None:
    """Return the user that PostgreSQL has to run as, None for the present one.

    Raises:
        ConfigError: if the present one is root and there is no other.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(USER).pw_name
    except KeyError:
        raise ConfigError(
            f"PostgreSQL refuses to run as root, and there is no user {USER}: run as another user, "
            "or give BACKEND=postgresql://…"
        ) from None


def main() -> None:
    """Run the command on the cluster, and exit with its status."""
    folder, *command = sys.argv[1:]
    try:
        with STOP, running(Path(folder)) as uri:
            environment = {**os.environ, "MLFLOW_BACKEND_STORE_URI": uri}
            process = subprocess.Popen(command, env=environment, close_fds=False)
            try:
                status = process.wait()
            except Stopped:
                process.terminate()
                process.wait()
                raise
    except ConfigError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    except Stopped as error:
        raise SystemExit(error.status) from None
    raise SystemExit(status)


if __name__ == "__main__":
    main()
