"""What this machine computes fast, told without importing PyTorch."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import cache
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
    """Return processor, cores and GPU in words, as in `AMD EPYC, 2 cores, no GPU`."""
    gpus = _nvidia("name")
    names = {v.strip() for k, v in _processor() if k.strip() == "model name"}
    name = ", ".join(sorted(names)) or platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {', '.join(gpus) or 'no GPU'}"


def visible_gpus() -> list[str]:
    """Return this machine's GPUs as CUDA_VISIBLE_DEVICES names them, only those if it is set."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = _nvidia("index") if told is None else told.split(",")
    return [name.strip() for name in names if name.strip() not in ("", "-1")]


def _compute_capability() -> float | None:
    """Return that of the first GPU of NVIDIA's, or None."""
    told = _nvidia("compute_cap")
    return float(told[0]) if told and told[0].replace(".", "").isdigit() else None


def _nvidia(field: str) -> list[str]:
    """Return a field of each GPU of NVIDIA's."""
    query = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"]
    if shutil.which(query[0]) is None:
        return []
    told = subprocess.run(query, capture_output=True, text=True, check=False)
    return told.stdout.splitlines() if told.returncode == 0 else []


def _processor_flags() -> set[str]:
    """Return the flags that Linux lists of the processor; elsewhere nothing."""
    return {f for k, v in _processor() if k.strip() in ("flags", "Features") for f in v.split()}


def _processor() -> list[tuple[str, str]]:
    """Return key and value of each line that Linux has on the processor; elsewhere nothing."""
    listed = Path("/proc/cpuinfo")
    if not listed.exists():
        return []
    lines = (line.partition(":") for line in listed.read_text().splitlines())
    return [(key, value) for key, _, value in lines]
