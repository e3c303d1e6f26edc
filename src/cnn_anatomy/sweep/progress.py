"""What a sweep shows in the meantime: how many runs are done, running and failed, and time left."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from types import TracebackType

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cnn_anatomy.core.uris import local_path, without_secrets
from cnn_anatomy.tracking.orphans import PROCESS_DIED
from cnn_anatomy.tracking.server import server_answers
from cnn_anatomy.tracking.sweep_run import OpenSweep

JOURNAL_HINT = "what was not logged waits in the cache, for the next sweep or make sync to deliver"
QUERY_SECONDS = 2.0  # between two queries of the store, at least
QUERY_FACTOR = 30  # and at least this many times the processor time that a query takes
LINE_SECONDS = 30.0  # between two lines where there is no terminal
JOIN_SECONDS = 10.0  # shorter than MLflow retries a lost server


def describe_failure(client: MlflowClient, run: Run) -> str:
    """Return a line on a failed run: its name, the reason, where its traceback and log are."""
    tags = run.data.tags
    artifacts = str(local_path(run.info.artifact_uri) or run.info.artifact_uri)
    if artifacts.startswith("mlflow-artifacts:"):  # not an address to open: link to the server's UI
        page = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts"
        artifacts = f"{client.tracking_uri.rstrip('/')}/{page}"
    log = f"; log {tags['log']}" if "log" in tags else ""
    name = f"{tags['study']}: {run.info.run_name}"
    reason = tags.get("reason", PROCESS_DIED)
    return without_secrets(f"failed: {name}: {reason} [{artifacts}/traceback.txt{log}]")


class SweepProgress:
    """Follows the children of a sweep in the store, from a thread, while its context is open.

    It shows a bar on a terminal, elsewhere a line every half minute. Only the store is read, so
    workers on any machine are followed alike.

    Args:
        sweep: the sweep.
        total: number of runs to train.
    """

    def __init__(self, sweep: OpenSweep, total: int) -> None:
        self.sweep = sweep
        self.total = total
        self.start = time.time()
        self.reported: set[str] = set()  # ids of the failed runs
        self.is_server_lost = False
        self.failures: int | None = None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
        )
        self.bar = Progress(*columns, console=Console(stderr=True))
        self.task = self.bar.add_task("sweep", total=total, state="starting workers")
        self.is_terminal = sys.stderr.isatty()

    def __enter__(self) -> SweepProgress:
        if self.is_terminal:
            self.bar.start()
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop.set()
        self.thread.join(JOIN_SECONDS)
        self._report_failures()
        self._show(final=True)
        if self.is_terminal:
            self.bar.stop()

    def finish(self, failures: int) -> None:
        """Take all runs as ended, whoever trained them and even if their logs still wait."""
        self.failures = failures

    def _follow(self) -> None:
        last_line = time.time()
        pause = QUERY_SECONDS
        while not self.stop.wait(pause):
            start = time.thread_time()
            self._report_failures()
            if self.is_terminal or time.time() - last_line >= LINE_SECONDS:
                last_line = time.time()
                self._show()
            pause = max(QUERY_SECONDS, QUERY_FACTOR * (time.thread_time() - start))

    def _report_failures(self) -> None:
        """Print each failure as soon as it is known; this query runs often, and reads no more."""
        if not self._server_answers():
            return
        with suppress(MlflowException):
            for run in self.sweep.failed_children():
                if run.info.run_id not in self.reported:
                    self.reported.add(run.info.run_id)
                    self._print(describe_failure(self.sweep.client, run))

    def _server_answers(self) -> bool:
        """Return whether the store answers, and print when that changes."""
        uri = without_secrets(self.sweep.client.tracking_uri)
        answers = server_answers(self.sweep.client.tracking_uri)
        if answers == self.is_server_lost:
            self.is_server_lost = not answers
            self._print(
                f"{uri} answers again" if answers else f"{uri} does not answer: {JOURNAL_HINT}"
            )
        return answers

    def _query(self) -> tuple[Counter[str], list[str]] | None:
        """Return the number of runs by status, and the names of those that run; None if lost."""
        if self.failures is not None:
            finished = self.total - self.failures
            return Counter(FINISHED=finished, FAILED=self.failures), []
        if self.is_server_lost:
            return None
        counts, running = Counter[str](), []
        try:
            for run in self.sweep.children():
                counts[run.info.status] += 1
                if run.info.status == "RUNNING":
                    running.append(f"{run.data.tags['study']}: {run.info.run_name}")
        except MlflowException:
            return None
        return counts, running

    def _show(self, final: bool = False) -> None:
        """Update the bar, or print a line."""
        progress = self._query()
        if progress is None:
            return
        counts, running = progress
        ended = counts.total() - counts["RUNNING"]
        elapsed = time.time() - self.start
        others = {"failed": counts["FAILED"], "stopped": counts["KILLED"]}
        text = ", ".join(f"{number} {word}" for word, number in others.items() if number)
        if not final:
            left = elapsed / ended * (self.total - ended) if ended else None
            text += f"  about {left / 60:.1f} min left" if left is not None else "  …"
            text += f"  [{'; '.join(running)}]" if running else ""
        if self.is_terminal:
            self.bar.update(self.task, completed=ended, state=text.replace("[", "\\["))
        else:
            done = f"{counts['FINISHED']} of {self.total} done"
            self._print(f"sweep: {done}, {elapsed / 60:.1f} min  {text}")

    def _print(self, line: str) -> None:
        if self.is_terminal:
            self.bar.console.print(line, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)
