"""The command: python -m benchmarks [quick] writes experiments/results/bench/.

The timings take turns, round after round in one process (except those that start processes), so
that a slower spell of the machine slows all of them; a ratio compares timings of one round.
"""

from __future__ import annotations

import json
import logging
import platform
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

from benchmarks import processes
from benchmarks.cases import CASES, Case
from benchmarks.ways import EXTRACTION, WAYS, Way
from cnn_anatomy.core.hardware import description, native_precision
from cnn_anatomy.core.paths import PUBLISHED
from cnn_anatomy.report.markdown import markdown_table
from cnn_anatomy.tracking.provenance import code_commit

Rates = Mapping[str, Mapping[str, list[float]]]


@dataclass(frozen=True)
class Size:
    """How much is timed.

    Args:
        rounds: rounds in which every network is trained in every way.
        other_rounds: rounds of the other timings.
        fraction: the fraction of each case's images to train on.
        seeds: seeds of each of the sweep's eight variants.
        sample: runs of the sweep to train in processes of their own, to extrapolate from.
        images: training images of the sweep's runs.
    """

    rounds: int
    other_rounds: int
    fraction: float
    seeds: int
    sample: int
    images: int


FULL = Size(rounds=5, other_rounds=3, fraction=1, seeds=3, sample=4, images=1500)
QUICK = Size(rounds=2, other_rounds=1, fraction=0.3, seeds=1, sample=2, images=150)


def main() -> None:
    """Time everything, print the tables, and write them to full.md and full.json (or quick.*)."""
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "lightning.fabric", "mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
    quick = sys.argv[1:] == ["quick"]
    size = QUICK if quick else FULL
    start = time.time()
    with Progress(console=Console(stderr=True)) as bar:
        total = size.rounds * len(CASES) * len(WAYS) + size.other_rounds * (len(EXTRACTION) + 2) + 1
        task = bar.add_task("bench", total=total)
        timings = _timings(size, lambda name: bar.update(task, advance=1, description=name))
    results = {
        "machine": description(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "precision": native_precision(),
        "commit": code_commit(),
        "quick": quick,
        "rounds": size.rounds,
        "minutes": (time.time() - start) / 60,
        **timings,
    }
    text = _markdown(results)
    folder = PUBLISHED / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    name = "quick" if quick else "full"
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)


def _timings(size: Size, announce: Callable[[str], None]) -> dict[str, Any]:
    cases = [replace(case, images=int(case.images * size.fraction)) for case in CASES]
    rates: dict[str, dict[str, list[float]]] = {case.name: {w: [] for w in WAYS} for case in cases}
    features: dict[str, list[float]] = {way: [] for way in EXTRACTION}
    starts: list[tuple[float, float]] = []
    peaks: list[tuple[float, float]] = []
    for _ in range(size.rounds):
        for case in cases:
            for name, way in WAYS.items():
                announce(f"{case.name}: {name}")
                rates[case.name][name].append(_in_new_folder(way, case))
    for _ in range(size.other_rounds):
        for name, way in EXTRACTION.items():
            announce(f"feature extraction: {name}")
            features[name].append(_in_new_folder(way, cases[0]))
        for name, measurements, measure in (
            ("start", starts, processes.start),
            ("memory", peaks, processes.memory),
        ):
            announce(name)
            with processes.new_folder() as folder:
                measurements.append(measure(folder))
    announce("sweep against a loop of processes")
    with processes.new_folder() as folder:
        sweep = processes.sweep(folder, size.seeds, size.sample, size.images)
    return {
        "images_per_second": rates,
        "extraction": features,
        "start_seconds": starts,
        "peak_mib": peaks,
        "sweep": sweep,
    }


def _in_new_folder(way: Way, case: Case) -> float:
    with processes.new_folder() as folder:
        return way(case, folder)


def _markdown(results: Mapping[str, Any]) -> str:
    lines = [
        f"`make bench{' QUICK=1' if results['quick'] else ''}`: {results['machine']}, "
        f"PyTorch {results['torch']}, {results['precision']}, one thread, commit "
        f"{results['commit'][:8]}, {results['minutes']:.0f} min. "
        f"Median of {results['rounds']} rounds, of "
        f"{len(results['start_seconds'])} in the second table [least, most]; "
        "creating the stores is not timed.",
        "",
    ]
    rates: Rates = results["images_per_second"]
    lines.append(
        markdown_table(
            ["network", "limit, images/s", "ours", *_heads()],
            [
                [name, _several(r["limit"]), _several(r["ours"]), *_ratios(r)]
                for name, r in rates.items()
            ],
            left=1,
        )
    )
    first, imports = zip(*results["start_seconds"], strict=True)
    bare, peak = zip(*results["peak_mib"], strict=True)
    s = results["sweep"]
    data = CASES[0].images * 32 * 32 / 2**20
    extraction = results["extraction"]
    rows = [
        ("start to first step ÷ imports", _several(_divided(first, imports)), "≤ 1.2"),
        ("peak memory − limit − data, MiB", _several(_less(peak, bare, data), 0), "≤ 400"),
        (
            f"{s['runs']} runs: loop of processes ÷ sweep",
            f"{s['loop'] / s['sweep']:.2f} ({s['loop']:.0f} s, {s['sweep']:.0f} s)",
            "≥ 3",
        ),
        (
            f"sweep ÷ (training steps ÷ {s['cores']} cores)",
            f"{s['sweep'] / (s['pure'] / s['cores']):.2f}",
            "≤ 1.15",
        ),
        ("sweep when all is done, s", f"{s['again']:.1f}", "< 10"),
        (
            "feature extraction: computed once ÷ anew",
            _several(_divided(extraction["computed once"], extraction["computed anew"]), 1),
            "",
        ),
    ]
    lines.append(markdown_table(["what", "measured", "target"], rows, left=1))
    return "\n".join(lines)


def _heads() -> list[str]:
    return ["ours ÷ limit", "probes, % of time", "ours ÷ Lightning", "ours ÷ script"]


def _ratios(rates: Mapping[str, Sequence[float]]) -> list[str]:
    ours = rates["ours"]
    probes = [100 * (1 - r) for r in _divided(ours, rates["ours without probes"])]
    return [
        _several(_divided(ours, rates["limit"])),
        _several(probes, 1),
        _several(_divided(ours, rates["usual with Lightning"])),
        _several(_divided(ours, rates["usual script"])),
    ]


def _divided(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [x / y for x, y in zip(a, b, strict=True)]


def _less(a: Sequence[float], b: Sequence[float], further: float) -> list[float]:
    return [x - y - further for x, y in zip(a, b, strict=True)]


def _several(values: Sequence[float], decimals: int = 2) -> str:
    if max(map(abs, values)) >= 100:
        decimals = 0
    shown = (f"{v:.{decimals}f}" for v in (median(values), min(values), max(values)))
    return "{} [{}, {}]".format(*shown)


if __name__ == "__main__":
    main()
