"""A real Slurm of one node: daemons without systemd, all of whose files are in one folder."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from processes import free_port, start, until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=30
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=60 State=UP
"""


def lacking():
    """Return the programs that are missing."""
    return [p for p in PROGRAMS if shutil.which(p, path=_path()) is None]


def _path():
    """Return PATH with the folders in which Debian installs daemons."""
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


class SlurmCluster:
    """munged, slurmctld and slurmd on free ports; two CPUs, one partition.

    The requeue of a job waits until its credential has expired, which is shortened to 5 s.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.environment = {
            **os.environ,
            "PATH": _path(),
            "SLURM_CONF": str(self.folder / "slurm.conf"),
        }
        self.processes = []

    def start(self):
        """Start the daemons, and wait until the node is idle."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                host=socket.gethostname(),
                user=getpass.getuser(),
                folder=self.folder,
                controller=free_port(),
                node=free_port(),
            )
        )
        munge = [f"--{name}-file={self.folder}/munge.{name}" for name in ("key", "pid", "log")]
        self._daemon(
            *("munged", "--foreground", "--force", *munge),
            *(f"--seed-file={self.folder}/munge.seed", f"--socket={self.folder}/munge.socket"),
        )
        self._until(lambda: (self.folder / "munge.socket").exists(), "munged")
        self._daemon("slurmctld", "-D")
        self._daemon("slurmd", "-D", "-N", socket.gethostname())
        self._until(lambda: "idle" in self.call("sinfo", "-h", "-o", "%T", check=False), "slurmd")

    def call(self, *command, check=True):
        """Run a command of Slurm; return its output."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def stop(self):
        """End all jobs, then the daemons."""
        self.call("scancel", "--user", getpass.getuser(), check=False)
        with suppress(AssertionError):
            self._until(lambda: not self.call("squeue", "-h", check=False).strip(), "end of jobs")
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _daemon(self, *command):
        log = self.folder / f"{command[0]}.out"
        self.processes.append(start(self.folder, *command, env=self.environment, log=log))

    def _until(self, ready, what):
        until(ready, what, 60, explain=self._logs)

    def _logs(self):
        return "\n".join(p.read_text()[-2000:] for p in sorted(self.folder.glob("*.[ol][ou][tg]")))
