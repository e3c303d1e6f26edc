"""Fills a real store with a sweep of random results, in the files that probes write."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from cnn_anatomy.studies.claim import Claim
from cnn_anatomy.studies.figure import Figure
from cnn_anatomy.studies.study import Study, Table
from cnn_anatomy.tracking.store import prepare
from cnn_anatomy.tracking.sweep_run import start_parent

EVIL = "<script>alert(1)</script>"
FIGURES = (
    *("accuracy", "gradients", "decay_by_depth", "cost", "learning_curves", "by_size"),
    *("shift_curve", "robustness", "frozen"),
)


def study() -> Study:
    """Return a study that asks for every figure."""
    grid = {"model.depth": (8, 20), "norm": ("none", EVIL)}
    shown = ["depth=8 norm=none", f"depth=20 norm={EVIL}"]
    claim = Claim(
        id="s1",
        statement="Depth & <b>norm</b> help.",
        source="someone",
        metric="test/accuracy",
        better="higher",
        treatment={"variant": shown[1]},
        control={"variant": shown[0]},
        matters=0.01,
    )
    exact = Claim(
        id="g1",
        statement="Deep ones are larger.",
        source="someone",
        metric="params/total",
        better="higher",
        treatment={"variant": shown[1]},
        control={"variant": shown[0]},
        matters=1,
    )
    columns = ("test/accuracy", "untrained/gradient/decay", "params/total", "macs")
    return Study(
        name="skip",
        question=f"Does {EVIL} help?",
        reading="Read it so.",
        table=Table(rows=("model.depth", "norm"), metrics=columns, baseline=shown[0]),
        grid=grid,
        claims=(claim, exact),
        limits="It shows no large images.",
        figures=(
            *(Figure(name=name) for name in FIGURES),
            Figure(name="heatmap", settings={"variants": shown}),
            Figure(name="before_after", settings={"variants": shown}),
            Figure(name="dose", settings={"x": "model.depth"}),
            Figure(name="by_size", settings={"knockouts": True}),
            Figure(name="cam", settings={"variants": shown}),
        ),
    )


def fill(uri: str, study: Study, seeds: int = 6) -> MlflowClient:
    """Write a sweep of `study`, whose very last run has no artifact but its gradients."""
    client = MlflowClient(uri)
    experiment = prepare(uri, study.name, study.question)
    planned = study.runs(range(seeds))
    plan = [
        {"variant": p.variant, "seed": p.seed, "key": f"k{i}", "overrides": list(p.overrides)}
        for i, p in enumerate(planned)
    ]
    parent = start_parent(client, experiment, study.name, plan, preset=True)
    rng = np.random.default_rng(0)
    for i, run in enumerate(planned):
        overrides = dict(o.split("=", 1) for o in run.overrides)
        depth = int(overrides["model.depth"])
        better = depth / 100 + (overrides["norm"] != "none") / 10
        tags = {"kind": "run", "variant": run.variant, "key": f"k{i}", "mlflow.parentRunId": parent,
                "mlflow.source.git.commit": "0123456789"}  # fmt: skip
        info = client.create_run(experiment, run_name=f"{run.variant} s{run.seed}", tags=tags).info
        params = {**overrides, "model": "resnet", "data": "cluttered_digits", "model.width": 8,
                  "trainer.max_epochs": 5, "seed": run.seed, "freeze.layers": depth}  # fmt: skip
        noise = rng.normal(0, 0.01, 30)
        metrics = [
            Metric("test/accuracy", 0.6 + better + noise[0], 0, 0),
            Metric("gap/accuracy", 0.1 + noise[1], 0, 0),
            *(Metric(f"{split}/loss", 1 - better, 0, 0) for split in ("train", "val", "test")),
            Metric("params/total", 1000 * depth, 0, 0),
            Metric("macs", 2e6 * depth, 0, 0),
            Metric("untrained/gradient/decay", depth / 4 + noise[0], 0, 0),
            *(Metric("gradient/decay", depth / 4 / (1 + e) + noise[e], 0, e) for e in range(6)),
            *(
                Metric(f"{split}/accuracy", 0.1 + better + e / 8 + noise[5 + e], 0, 10 * e + 9)
                for e in range(5)
                for split in ("train", "val")
            ),
        ]
        client.log_batch(info.run_id, metrics, [Param(k, str(v)) for k, v in params.items()])
        with tempfile.TemporaryDirectory() as folder:
            _files(Path(folder), depth, better, rng, complete=i < len(planned) - 1)
            client.log_artifacts(info.run_id, folder)
        client.set_terminated(info.run_id)
    client.set_terminated(parent)
    return client


def _files(
    folder: Path, depth: int, better: float, rng: np.random.Generator, complete: bool
) -> None:
    grid = [(e, k, k / (depth - 1)) for e in range(-1, 5) for k in range(depth)]
    rms = [10 ** (-(1 - d) * depth / 4 / (e + 2) + rng.normal(0, 0.05)) for e, _, d in grid]
    frame = pd.DataFrame(grid, columns=["epoch", "layer", "depth"]).assign(rms=rms)
    frame.to_parquet(folder / "gradients.parquet")
    if not complete:
        return
    pd.DataFrame(
        [
            (branch, low, low + 6, 100, 0.5 + better + low / 100 - (branch != "none") * low / 60)
            for branch in ("none", "3x3", "pool")
            for low in (8, 14, 20)
        ],
        columns=["knockout", "size_low", "size_high", "n", "accuracy"],
    ).to_parquet(folder / "object_size.parquet")
    steps = np.arange(9)
    pd.DataFrame(
        {
            "shift": steps,
            "consistency": 1 - steps / 30 + rng.normal(0, 0.01, 9) * (steps > 0),
            "given_correct": 1 - steps / 60,
        }
    ).to_parquet(folder / "shift.parquet")
    pd.DataFrame(
        [
            (kind, level, 0.6 + better - level / 20 + rng.normal(0, 0.01))
            for kind in ("translation", "scale", "noise")
            for level in (0.0, 1.0, 2.0, 4.0)
        ],
        columns=["kind", "level", "accuracy"],
    ).to_parquet(folder / "robustness.parquet")
    y, x = np.mgrid[:8, :8]
    np.savez(
        folder / "cam.npz",
        images=rng.integers(0, 255, (6, 1, 32, 32), dtype=np.uint8),
        cams=np.stack([np.exp(-((x - k) ** 2 + (y - 4) ** 2) / 4) for k in range(6)]),
        boxes=np.array([[4 * k, 8, 4 * k + 10, 22] for k in range(6)]),
        labels=np.arange(6),
        predictions=np.array([0, 1, 2, 9, 4, 5]),
    )
