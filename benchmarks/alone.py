"""The command: python -m benchmarks.alone WAY CASE, one of each alone in a process.

Prints the process's peak memory in MiB.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.ways import WAYS


def main() -> None:
    """Run it, and print the peak of the resident set."""
    way, case = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        WAYS[way]({c.name: c for c in CASES}[case], Path(folder))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
