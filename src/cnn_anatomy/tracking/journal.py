"""Writing to a run whose server may be lost: what it does not take is kept and delivered later."""

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

from cnn_anatomy.tracking.orphans import is_gone
from cnn_anatomy.tracking.store import is_refusal

PAUSE = 10.0  # seconds between two attempts to deliver


class Journal:
    """Writes to one run in order; entries that fail go to folder/<run id>.jsonl, a line each.

    Delivering twice does no harm: a metric carries its own time, and the store keeps one of
    equal (name, time, step, value).
    """

    def __init__(self, client: MlflowClient, run_id: str, folder: Path) -> None:
        self.client = client
        self.run_id = run_id
        self.path = folder / f"{run_id}.jsonl"
        self.next_attempt = 0.0

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Log `values` as of now."""
        now = int(time.time() * 1000)
        self._write({"metrics": [[name, float(v), now, step] for name, v in values.items()]})

    def inputs(self, name: str, digests: Mapping[str, str]) -> None:
        """Log a data set by a digest for each context (training, …)."""
        self._write({"inputs": [name, dict(digests)]})

    def artifacts(self, folder: str | Path) -> None:
        """Log every file of `folder`; they are copied beside the journal if that has to wait."""
        entry = {"artifacts": str(folder)}
        if not self._sent(entry):
            kept = self.path.with_suffix("") / str(time.time_ns())
            shutil.copytree(folder, kept)
            self._append({"artifacts": str(kept)})

    def end(self, status: str, reason: str = "") -> None:
        """Set the run's status, and the tag that says why it did not finish."""
        self._write({"end": [status, reason, int(time.time() * 1000)]})

    def flush(self) -> None:
        """Deliver what waits."""
        if self.path.exists():
            deliver(self.client, self.path)

    def _write(self, entry: dict[str, Any]) -> None:
        if not self._sent(entry):
            self._append(entry)

    def _sent(self, entry: dict[str, Any]) -> bool:
        """Return whether `entry` and all before it were delivered."""
        if time.monotonic() < self.next_attempt:
            return False
        try:
            self.flush()
            _apply(self.client, self.run_id, entry)
        except (MlflowException, OSError) as error:
            if is_refusal(error):
                raise
            self.next_attempt = time.monotonic() + PAUSE
            return False
        return True

    def _append(self, entry: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


def deliver(client: MlflowClient, path: Path) -> None:
    """Write a journal's entries to its run, then delete it."""
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue  # the process was killed while it wrote this last line
        _apply(client, path.stem, entry)
    path.unlink()
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)


def sync(client: MlflowClient, folder: Path) -> tuple[list[str], list[str]]:
    """Deliver every journal of `folder`; return the ids of (runs delivered, runs that wait).

    A run that goes on delivers its own: another process would delete what it adds meanwhile.
    """
    delivered, waiting = [], []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            if not _ended(path) and not is_gone(client.get_run(path.stem).data.tags):
                waiting.append(path.stem)
                continue
            deliver(client, path)
            delivered.append(path.stem)
        except (MlflowException, OSError):
            waiting.append(path.stem)
    return delivered, waiting


def _ended(path: Path) -> bool:
    """Return whether a journal's last entry is the end of its run."""
    lines = path.read_text().splitlines()
    return bool(lines) and lines[-1].startswith('{"end"')


def _apply(client: MlflowClient, run_id: str, entry: Mapping[str, Any]) -> None:
    if "metrics" in entry:
        client.log_batch(run_id, metrics=[Metric(*values) for values in entry["metrics"]])
    elif "inputs" in entry:
        client.log_inputs(run_id, _inputs(*entry["inputs"]))
    elif "artifacts" in entry:
        if Path(entry["artifacts"]).is_dir():
            client.log_artifacts(run_id, entry["artifacts"])
    else:
        status, reason, when = entry["end"]
        if reason:
            client.set_tag(run_id, "reason", reason)
        client.set_terminated(run_id, status, end_time=when)


def _inputs(name: str, digests: Mapping[str, str]) -> Sequence[DatasetInput]:
    return [
        DatasetInput(
            Dataset(name, digest, source_type="local", source="{}"),
            [InputTag("mlflow.data.context", context)],
        )
        for context, digest in digests.items()
    ]
