"""The command: python -m benchmarks.gpu [FOLDER] checks and times one GPU in under eight minutes.

It runs the tests marked `gpu`, times ResNet-20 on batches of 128 images (the bare loop with and
without a CUDA graph, and a run with and without), and sweeps the skip study with 1, 4 and 8 runs on
the card. FOLDER (default outputs/gpu) gets gpu.json, tests.txt and the sweeps' output. Nothing is
downloaded; the packages must be importable.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import Case
from benchmarks.processes import new_folder
from benchmarks.timing import Clock
from benchmarks.ways import Step, bare_step, ours
from cnn_anatomy.core.hardware import description
from cnn_anatomy.core.paths import HOME, OUTPUTS

CACHE = OUTPUTS / "gpu" / "cache"
CASE = Case(
    "ResNet-20",
    20_480,
    ("model=resnet", "model.depth=20", "data.batch_size=128", f"paths.cache={CACHE}"),
)
STEPS = 300
WARM_UP_STEPS = 20
TESTS_SECONDS = 240
SWEEP_SECONDS = 90


def main() -> None:
    """Run the checks; write and print the results after each, so that none is lost."""
    if not torch.cuda.is_available():
        sys.exit("there is no GPU")
    folder = Path(sys.argv[1] if sys.argv[1:] else OUTPUTS / "gpu")
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"machine": description(), "torch": torch.__version__}
    checks: dict[str, Callable[[], Any]] = {
        "tests": partial(_tests, folder),
        "bare loop, images/s": partial(_bare_rate, lambda step: step),
        "bare loop in a graph, images/s": partial(_bare_rate, _graphed),
        "run, images/s": _run_rate,
        "run with a graph, images/s": partial(_run_rate, "callbacks=cuda_graph"),
        **{
            f"skip study, {runs} runs a GPU, s": partial(_sweep_seconds, folder, runs)
            for runs in (8, 4, 1)
        },
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
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", "tests/gpu"]
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


def _sweep_seconds(folder: Path, runs: int) -> float:
    """Return how long the skip study's eight variants with two seeds take, in seconds."""
    said = folder / f"sweep-{runs}.txt"
    with new_folder() as store, said.open("w", encoding="utf-8") as output:
        environment = {
            **os.environ,
            "MLFLOW_TRACKING_URI": f"sqlite:///{store}/mlflow.db",
            "CNN_ANATOMY_CACHE": str(CACHE),
            "RUNS_PER_GPU": str(runs),
        }
        command = [sys.executable, "-m", "cnn_anatomy.train", "--multirun", "study=skip"]
        command.append("hydra.sweeper.seeds=2")
        start = time.perf_counter()
        subprocess.run(
            command,
            cwd=store,
            env=environment,
            stdout=output,
            stderr=output,
            timeout=SWEEP_SECONDS,
            check=True,
        )
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
