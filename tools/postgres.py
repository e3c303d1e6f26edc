"""A private PostgreSQL, and the command that runs something on it.

`python -m tools.postgres FOLDER COMMAND…`: the command finds the address in
MLFLOW_BACKEND_STORE_URI, as `mlflow server` wants it.
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

PATH_LIMIT = 80  # bytes: a socket's path may have 107, its name included
USER = "postgres"  # whom root becomes, as PostgreSQL refuses to run as root


class Cluster:
    """A PostgreSQL cluster in `folder`, made at its first start.

    It listens on no port, only on a socket in `folder`, which nobody else may enter: so it asks
    for no password.

    Raises:
        ConfigError: if there is no PostgreSQL, no user to run it, or `folder` is too deep.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.programs = programs()
        self.user = _user()
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
        """Start it, if it does not run, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        if not self.data.exists():
            self._make()
        if not self.is_running:
            options = f"-k {shlex.quote(str(self.folder))} -c listen_addresses=''"
            words = ("-w", "-l", str(self.folder / "log"), "-o", options, "start")
            self._call("pg_ctl", self.data, *words)

    def stop(self, mode: str = "fast") -> None:
        """Stop it; the mode `immediate` is a crash, from which the next start recovers."""
        self._call("pg_ctl", self.data, "-w", "-m", mode, "stop")

    @property
    def is_running(self) -> bool:
        """Return whether it runs, started by whomever."""
        return self._done("pg_ctl", self.data, "status").returncode == 0

    def _make(self) -> None:
        part = self.folder / "part"  # one that was interrupted half-way is made anew
        shutil.rmtree(part, ignore_errors=True)
        words = ("--auth=trust", "--encoding=UTF8", "--no-locale", f"--username={USER}")
        self._call("initdb", part, *words)
        part.rename(self.data)

    def _call(self, program: str, data: Path, *words: str) -> None:
        done = self._done(program, data, *words)
        if done.returncode:
            raise ConfigError(f"{program} {words[-1]} in {self.folder} failed: {done.stdout}")

    def _done(self, program: str, data: Path, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.programs / program), "-D", str(data), *words]
        # Its output goes to a file: a server that goes on would hold a pipe open.
        with (self.folder / f"{program}.log").open("w+") as log:
            done = subprocess.run(
                command, cwd=self.folder, user=self.user, stdout=log, stderr=log, check=False
            )
            log.seek(0)
            return subprocess.CompletedProcess(
                command, done.returncode, " ".join(log.read().split())
            )


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Yield the address of a cluster in `folder`, started; stop it at the end.

    It is held as long as this process, or one begun here that inherits files, goes on.

    Raises:
        ConfigError: if it can't be started, or another process holds it.
    """
    cluster = Cluster(folder)
    cluster.folder.mkdir(parents=True, exist_ok=True)
    with (cluster.folder / "in-use").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


def programs() -> Path:
    """Return the folder of PostgreSQL's programs: that of PATH, or the newest of Debian's.

    Raises:
        ConfigError: if there is none.
    """
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if not versions:
        raise ConfigError(
            "no PostgreSQL is here: install it (Debian: apt-get install postgresql), or give the "
            "address of one, BACKEND=postgresql://…"
        )
    return versions[-1].parent


def _version(path: Path) -> float:
    text = path.parts[-3]
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0


def _user() -> str | None:
    """Return as whom PostgreSQL has to run, None for as we do.

    Raises:
        ConfigError: if that is root and there is no other.
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
    """Run the command on the cluster, and end with its status."""
    folder, *command = sys.argv[1:]
    try:
        with STOP, running(Path(folder)) as uri:
            own = {**os.environ, "MLFLOW_BACKEND_STORE_URI": uri}
            process = subprocess.Popen(command, env=own, close_fds=False)
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
