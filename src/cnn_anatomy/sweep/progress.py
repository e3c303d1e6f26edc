"""What a sweep shows while it runs: done, running, failed, time left."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cnn_anatomy.tracking.run_cache import children
from cnn_anatomy.tracking.server import answers

WAITS = "what was not logged waits in the cache, for the next sweep or make sync to deliver"
SECONDS = 2.0  # between two looks at the store, and at least SHARE times what a look takes
SHARE = 30


def failure(client: MlflowClient, run: Run) -> str:
    """Return what is said of a failed run: its name, the reason, where traceback and log lie."""
    tags = run.data.tags
    where = run.info.artifact_uri.removeprefix("file://")
    if where.startswith("mlflow-artifacts:"):  # which the server fetches: its page is to be seen
        page = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts"
        where = f"{client.tracking_uri.rstrip('/')}/{page}"
    reason = tags.get("reason", "its process ended without a word")
    log = f"; log {tags['log']}" if "log" in tags else ""
    name = f"{tags['study']}: {run.info.run_name}"
    return f"failed: {name}: {reason} [{where}/traceback.txt{log}]"


def failed_runs(client: MlflowClient, parents: dict[str, str]) -> Iterator[Run]:
    """Yield the FAILED runs of the sweeps `parents`, by experiment."""
    for experiment, parent in parents.items():
        query = f"tags.`mlflow.parentRunId` = '{parent}' and attributes.status = 'FAILED'"
        yield from children(client, experiment, query)


class SweepProgress:
    """Follows the children of the parents in MLflow from a thread, until left.

    On a terminal it is a bar; elsewhere a line every half minute. It sees what any worker on any
    machine writes to the store, and nothing else.
    """

    def __init__(self, client: MlflowClient, parents: dict[str, str], total: int) -> None:
        self.client = client
        self.parents = parents
        self.total = total
        self.began = time.time()
        self.told: set[str] = set()
        self.lost = False
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
        self.terminal = sys.stderr.isatty()

    def __enter__(self) -> SweepProgress:
        if self.terminal:
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
        self.thread.join(10)  # not as long as MLflow tries a server that is lost
        self._tell()
        self._show(final=True)
        if self.terminal:
            self.bar.stop()

    def settle(self, failures: int) -> None:
        """Take it that all runs have ended, whoever trained them and wherever their logs wait."""
        self.failures = failures

    def _tell(self) -> None:
        """Say at once what has failed; only failed runs are read, as this is asked often."""
        if not self._answers():
            return
        with suppress(MlflowException):
            for run in failed_runs(self.client, self.parents):
                if run.info.run_id not in self.told:
                    self.told.add(run.info.run_id)
                    self._say(failure(self.client, run))

    def _answers(self) -> bool:
        """Return whether the store answers; say when that changes."""
        there = answers(self.client.tracking_uri)
        if there == self.lost:
            self.lost = not there
            told = "answers again" if there else f"does not answer: {WAITS}"
            self._say(f"{self.client.tracking_uri} {told}")
        return there

    def state(self) -> tuple[Counter[str], list[str]]:
        """Return how many runs have which status, and the names of those that run."""
        counts, running = Counter[str](), []
        for experiment, parent in self.parents.items():
            query = f"tags.`mlflow.parentRunId` = '{parent}'"
            for run in children(self.client, experiment, query):
                counts[run.info.status] += 1
                if run.info.status == "RUNNING":
                    running.append(f"{run.data.tags['study']}: {run.info.run_name}")
        return counts, running

    def _follow(self) -> None:
        last = time.time()
        pause = SECONDS
        while not self.stop.wait(pause):
            began = time.thread_time()
            self._tell()
            if self.terminal or time.time() - last >= 30:
                last = time.time()
                self._show()
            pause = max(SECONDS, SHARE * (time.thread_time() - began))

    def _say(self, line: str) -> None:
        if self.terminal:
            self.bar.console.print(line, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def _show(self, final: bool = False) -> None:
        running: list[str] = []
        if self.failures is not None:
            counts = Counter(FINISHED=self.total - self.failures, FAILED=self.failures)
        elif self.lost:
            return
        else:
            try:
                counts, running = self.state()
            except MlflowException:
                return
        ended = counts.total() - counts["RUNNING"]
        elapsed = time.time() - self.began
        left = elapsed / ended * (self.total - ended) if ended else None
        others = {"failed": counts["FAILED"], "stopped": counts["KILLED"]}
        text = ", ".join(f"{number} {word}" for word, number in others.items() if number)
        if not final:
            text += f"  about {left / 60:.1f} min left" if left is not None else "  …"
            text += f"  [{'; '.join(running)}]"
        if self.terminal:
            self.bar.update(self.task, completed=ended, state=text.replace("[", "\\["))
        else:
            line = (
                f"sweep: {counts['FINISHED']} of {self.total} done, {elapsed / 60:.1f} min  {text}"
            )
            print(line, file=sys.stderr, flush=True)
