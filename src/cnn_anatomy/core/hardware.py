"""What this machine's processor and GPUs are, without importing PyTorch."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from itertools import takewhile
from pathlib import Path

BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # x86, x86 with tiles, ARM
AMPERE = 8.0  # the first compute capability with bfloat16


@cache
def native_precision() -> str:
    """Return Lightning's `bf16-mixed` if this machine computes bfloat16 natively, else `32-true`.

    A processor that only emulates bfloat16 is many times slower with it than without.
    """
    return precision_of(_processor_flags(), _compute_capability())


def precision_of(processor_flags: set[str], compute_capability: float | None) -> str:
    """Return the precision for a processor's flags and a GPU's compute capability, if any."""
    if compute_capability is not None:
        native = compute_capability >= AMPERE
    else:
        native = bool(BFLOAT16 & processor_flags)
    return "bf16-mixed" if native else "32-true"


@cache
def description() -> str:
    """Return the processor, its cores and the GPU in words, such as `AMD EPYC, 2 cores, no GPU`."""
    gpus = _nvidia("name")
    names = {v.strip() for k, v in _processor() if k.strip() == "model name"}
    name = ", ".join(sorted(names)) or platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {', '.join(gpus) or 'no GPU'}"


def visible_gpus() -> list[str]:
    """Return this machine's GPUs, or those that CUDA_VISIBLE_DEVICES leaves visible.

    As CUDA reads it, the list ends before the first name that is no GPU of this machine.
    """
    indices = _nvidia("index")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not indices:
        return indices
    uuids = _nvidia("uuid")
    names = [name.strip() for name in visible.split(",")]
    return list(takewhile(lambda name: _is_gpu(name, indices, uuids), names))


def _is_gpu(name: str, indices: Sequence[str], uuids: Sequence[str]) -> bool:
    """Return whether CUDA takes `name` for a GPU: its index, or the beginning of its UUID."""
    if name.startswith("MIG-"):  # a part of a GPU, which nvidia-smi's query doesn't list
        return True
    return name in indices or (name.startswith("GPU-") and any(u.startswith(name) for u in uuids))


def gpu_memories() -> list[int]:
    """Return the memory of each of this machine's GPUs in MiB."""
    values = (value.split()[0] for value in _nvidia("memory.total") if value)
    return [int(value) for value in values if value.isdigit()]


def _compute_capability() -> float | None:
    """Return the compute capability of the first NVIDIA GPU, or None if none is visible."""
    values = _nvidia("compute_cap") if visible_gpus() else []
    return float(values[0]) if values and values[0].replace(".", "").isdigit() else None


def _nvidia(field: str) -> list[str]:
    """Return a field of nvidia-smi for each NVIDIA GPU."""
    query = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"]
    if shutil.which(query[0]) is None:
        return []
    process = subprocess.run(query, capture_output=True, text=True, check=False)
    return [line.strip() for line in process.stdout.splitlines() if process.returncode == 0]


def _processor_flags() -> set[str]:
    """Return the processor's feature flags on Linux, elsewhere nothing."""
    return {f for k, v in _processor() if k.strip() in ("flags", "Features") for f in v.split()}


def _processor() -> list[tuple[str, str]]:
    """Return the keys and values of /proc/cpuinfo on Linux, elsewhere nothing."""
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return []
    lines = (line.partition(":") for line in file.read_text(encoding="utf-8").splitlines())
    return [(key, value) for key, _, value in lines]
