"""The journal of a run: what a lost server does not accept is kept on disk and delivered later."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric
from mlflow.exceptions import MlflowException

from cnn_anatomy.tracking.orphans import process_is_gone
from cnn_anatomy.tracking.store import is_refusal

RETRY_SECONDS = 10.0  # between two attempts to deliver


class Journal:
    """Writes to one run in order; entries that fail go to folder/<run id>.jsonl, one per line.

    Delivering an entry twice does no harm: a metric carries its own time, and the store keeps one
    of equal (name, time, step, value).
    """

    def __init__(self, client: MlflowClient, run_id: str, folder: Path) -> None:
        self.client = client
        self.run_id = run_id
        self.path = folder / f"{run_id}.jsonl"
        self.next_attempt = 0.0  # on the clock of `time.monotonic`

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Log `values` with the present time."""
        now = int(time.time() * 1000)
        self._record({"metrics": [[name, float(v), now, step] for name, v in values.items()]})

    def inputs(self, name: str, digests: Mapping[str, str]) -> None:
        """Log a data set by a digest for each context (training, …)."""
        self._record({"inputs": [name, dict(digests)]})

    def artifacts(self, folder: str | Path) -> None:
        """Log every file of `folder`; if that has to wait, they are copied beside the journal."""
        if not self._delivered({"artifacts": str(folder)}):
            copy = self.path.with_suffix("") / str(time.time_ns())
            shutil.copytree(folder, copy)
            # Relative to the folder of journals, which may be moved before it is delivered.
            self._append({"artifacts": str(copy.relative_to(self.path.parent))})

    def end(self, status: str, reason: str = "") -> None:
        """Set the run's status, and the tag `reason` if there is one."""
        self._record({"end": [status, reason, int(time.time() * 1000)]})

    def flush(self) -> None:
        """Deliver every entry that waits."""
        if self.path.exists():
            deliver(self.client, self.path)

    def _record(self, entry: dict[str, Any]) -> None:
        """Deliver `entry`, or append it to the file."""
        if not self._delivered(entry):
            self._append(entry)

    def _delivered(self, entry: dict[str, Any]) -> bool:
        """Try to deliver the waiting entries, then `entry`; return whether that succeeded.

        Raises:
            MlflowException: if the server refuses an entry, which a retry would not change.
        """
        if time.monotonic() < self.next_attempt:
            return False
        try:
            self.flush()
            _send(self.client, self.run_id, entry)
        except (MlflowException, OSError) as error:
            if is_refusal(error):
                raise
            self.next_attempt = time.monotonic() + RETRY_SECONDS
            return False
        return True

    def _append(self, entry: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def deliver(client: MlflowClient, path: Path) -> None:
    """Send a journal's entries to its run, then delete the journal."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue  # the process was killed while it wrote this last line
        if "artifacts" in entry:
            entry = {"artifacts": str(path.parent / entry["artifacts"])}
        _send(client, path.stem, entry)
    path.unlink()
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)


def sync(client: MlflowClient, folder: Path) -> tuple[list[str], list[str]]:
    """Deliver every journal of `folder`; return the ids of the delivered and the waiting runs.

    The journal of a run in progress is left to its process: deleting it here would lose what that
    process appends meanwhile.
    """
    delivered, waiting = [], []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            if not _has_ended(path) and not process_is_gone(client.get_run(path.stem).data.tags):
                waiting.append(path.stem)
                continue
            deliver(client, path)
            delivered.append(path.stem)
        except (MlflowException, OSError):
            waiting.append(path.stem)
    return delivered, waiting


def _has_ended(path: Path) -> bool:
    """Return whether the last entry of a journal is the end of its run."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return bool(lines) and lines[-1].startswith('{"end"')


def _send(client: MlflowClient, run_id: str, entry: Mapping[str, Any]) -> None:
    """Write one entry to the store."""
    if "metrics" in entry:
        client.log_batch(run_id, metrics=[Metric(*values) for values in entry["metrics"]])
    elif "inputs" in entry:
        client.log_inputs(run_id, _dataset_inputs(*entry["inputs"]))
    elif "artifacts" in entry:
        if Path(entry["artifacts"]).is_dir():
            client.log_artifacts(run_id, entry["artifacts"])
    else:
        status, reason, end_time = entry["end"]
        if reason:
            client.set_tag(run_id, "reason", reason)
        client.set_terminated(run_id, status, end_time=end_time)


def _dataset_inputs(name: str, digests: Mapping[str, str]) -> Sequence[DatasetInput]:
    return [
        DatasetInput(
            Dataset(name, digest, source_type="local", source="{}"),
            [InputTag("mlflow.data.context", context)],
        )
        for context, digest in digests.items()
    ]
