"""What this machine computes fast, told without importing PyTorch."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # x86, x86 with tiles, ARM
AMPERE = 8.0  # the first compute capability with bfloat16


@cache
def native_precision() -> str:
    """Return Lightning's `bf16-mixed` where GPU or processor has bfloat16, else `32-true`.

    A processor that only emulates it is many times slower with it than without.
    """
    capability = _compute_capability()
    native = bool(BFLOAT16 & _processor_flags()) if capability is None else capability >= AMPERE
    return "bf16-mixed" if native else "32-true"


def _compute_capability() -> float | None:
    """Return that of the first GPU of NVIDIA's, or None."""
    query = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    if shutil.which(query[0]) is None:
        return None
    told = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    return float(told[0]) if told and told[0].replace(".", "").isdigit() else None


def _processor_flags() -> set[str]:
    """Return the flags that Linux lists of the processor; elsewhere nothing."""
    listed = Path("/proc/cpuinfo")
    if not listed.exists():
        return set()
    lines = (line.partition(":") for line in listed.read_text().splitlines())
    return {
        f for key, _, value in lines if key.strip() in ("flags", "Features") for f in value.split()
    }
