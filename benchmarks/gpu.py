"""The command: python -m benchmarks.gpu [FOLDER] checks and times one GPU in under eight minutes.

It times ResNet-20 on batches of 128 images: the bare loop with and without a CUDA graph, a run with
and without, and eight of each at once. It sweeps the skip study with 8 runs on the card and with 1,
and runs the tests marked `gpu`. FOLDER (default outputs/gpu) gets gpu.json, tests.txt and the
sweeps' output. Nothing is downloaded; the packages must be importable.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import Manager, get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import SMALL_SPLITS, Case
from benchmarks.processes import TRAIN, new_folder, runs_of, store_of
from benchmarks.timing import Clock
from benchmarks.ways import Step, bare_step, ours
from cnn_anatomy.core.hardware import description
from cnn_anatomy.core.paths import HOME, OUTPUTS
from cnn_anatomy.launchers.mps import MultiProcessService

CACHE = OUTPUTS / "gpu" / "cache"
CASE = Case(
    "ResNet-20",
    20_480,
    ("model=resnet", "model.depth=20", "data.batch_size=128", f"paths.cache={CACHE}"),
)
EAGER = "~callbacks.cuda_graph"
STEPS = 300
WARM_UP_STEPS = 20
TOGETHER = 8  # runs on the card
TESTS_SECONDS = 240
TEST_PROCESSES = 8
SWEEP_SECONDS = 120


def main() -> None:
    """Run the checks; write and print the results after each, so that none is lost."""
    if not torch.cuda.is_available():
        sys.exit("there is no GPU")
    folder = Path(sys.argv[1] if sys.argv[1:] else OUTPUTS / "gpu")
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"machine": description(), "torch": torch.__version__}
    checks: dict[str, Callable[[], Any]] = {
        "bare loop, images/s": partial(_bare_rate, lambda step: step),
        "bare loop in a graph, images/s": partial(_bare_rate, _graphed),
        "run, images/s": partial(_run_rate, EAGER),
        "run with a graph, images/s": _run_rate,
        f"{TOGETHER} bare loops in graphs, images/s": _bare_rates_together,
        f"{TOGETHER} runs with graphs, images/s": partial(_run_rates_together, folder),
        f"skip study, {TOGETHER} runs a GPU, s": partial(_skip_seconds, folder, TOGETHER),
        "skip study, 1 run a GPU, s": partial(_skip_seconds, folder, 1),
        "tests": partial(_tests, folder),
    }
    for name, check in checks.items():
        start = time.perf_counter()
        try:
            results[name] = check()
        except Exception as error:  # the other checks are worth their minutes
            results[name] = f"{type(error).__name__}: {error}"
        print(f"{name}: {results[name]} ({time.perf_counter() - start:.0f} s)", flush=True)
        (folder / "gpu.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _tests(folder: Path) -> str:
    """Return the closing line of the tests marked `gpu`."""
    options = ["-m", "gpu", "-n", str(TEST_PROCESSES), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, "tests/gpu"]
    with (folder / "tests.txt").open("w", encoding="utf-8") as output:
        subprocess.run(
            command, cwd=HOME, stdout=output, stderr=output, timeout=TESTS_SECONDS, check=False
        )
    return (folder / "tests.txt").read_text(encoding="utf-8").splitlines()[-1]


def _bare_rate(prepared: Callable[[Step], Step]) -> float:
    with new_folder() as folder:
        step, images = bare_step(CASE, folder)
        step = prepared(step)
        clock = Clock()
        for count in (WARM_UP_STEPS, STEPS):
            clock.start()
            for _ in range(count):
                step()
                clock.images += images
            torch.cuda.synchronize()
            clock.stop()
    return clock.rate


def _graphed(step: Step) -> Step:
    """Return the replay of a whole step: forward, loss, backward and optimiser."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(5):  # kernels are chosen and buffers made before the capture
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def _run_rate(*overrides: str) -> float:
    with new_folder() as folder:
        return ours(CASE, folder, *overrides)


def _bare_rates_together() -> float:
    """Return the images per second of bare loops in as many processes, all of them together."""
    service = MultiProcessService()
    service.start()
    try:
        with Manager() as manager, _pool() as pool:
            barrier = manager.Barrier(TOGETHER)
            return sum(pool.map(_bare_rate_after, [barrier] * TOGETHER))
    finally:
        service.stop()


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(TOGETHER, mp_context=get_context("spawn"))


def _bare_rate_after(barrier: Any) -> float:
    """Return the rate of a bare loop in a graph that is timed once all have come to the barrier."""

    def prepared(step: Step) -> Step:
        graphed = _graphed(step)
        barrier.wait()
        return graphed

    return _bare_rate(prepared)


def _run_rates_together(folder: Path) -> float:
    """Return the images per second of runs that a sweep trains at once, all of them together."""
    with new_folder() as store:
        seeds = ",".join(map(str, range(TOGETHER)))
        words = [*SMALL_SPLITS, f"data.source.train={CASE.images}", *CASE.overrides]
        words += [f"seed={seeds}", "trainer.max_epochs=6"]
        _sweep(words, store, folder / "together.txt", TOGETHER)
        return sum(run.data.metrics["speed/images_per_second"] for run in runs_of(store, "adhoc"))


def _skip_seconds(folder: Path, runs: int) -> float:
    """Return how long the skip study's eight variants with two seeds take, in seconds."""
    words = ["study=skip", "hydra.sweeper.seeds=2"]
    with new_folder() as store:
        start = time.perf_counter()
        _sweep(words, store, folder / f"sweep-{runs}.txt", runs)
        return time.perf_counter() - start


def _sweep(words: Sequence[str], store: Path, said: Path, runs: int) -> None:
    """Sweep with so many runs on the card; write what it says into `said`."""
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": store_of(store),
        "CNN_ANATOMY_CACHE": str(CACHE),
        "RUNS_PER_GPU": str(runs),
    }
    with said.open("w", encoding="utf-8") as output:
        subprocess.run(
            [*TRAIN, "--multirun", *words],
            cwd=store,
            env=environment,
            stdout=output,
            stderr=output,
            timeout=SWEEP_SECONDS,
            check=True,
        )


if __name__ == "__main__":
    main()
