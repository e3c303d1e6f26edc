"""The command: python -m benchmarks.alone WAY CASE trains one case in a process of its own.

It prints the process's peak memory in MiB.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.ways import WAYS


def main() -> None:
    """Train, and print the peak of the resident set size."""
    way, case = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        WAYS[way]({c.name: c for c in CASES}[case], Path(folder))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
