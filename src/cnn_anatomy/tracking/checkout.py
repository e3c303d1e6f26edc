"""The commit of a checkout, whatever tags it has and whatever Git reads from the environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# A sweep writes them itself; they determine no result.
WRITTEN = "experiments/results"
CODE = ("src", "conf", "experiments")  # where an untracked file may take part in a run


def checkout_commit(checkout: Path) -> str:
    """Return all digits of the commit at `checkout`, with a plus sign where files differ from it.

    They differ if a tracked file changed, or if Git neither tracks nor ignores a file of the code,
    the configuration or the studies. The pages of results count as unchanged.

    Returns:
        `unknown`, if there is no Git, or if the checkout is no part of a commit: an unpacked
        archive inside of another repository is none.
    """
    try:
        # Fails where the commit doesn't hold this folder's own configuration.
        commit = _git(checkout, "rev-parse", "HEAD", "HEAD:./conf/train.yaml").split()[0]
        changes = _git(checkout, "diff", "--name-only", "HEAD", "--", ".", f":!{WRITTEN}")
        added = _git(checkout, "ls-files", "--others", "--exclude-standard", *CODE, f":!{WRITTEN}")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + "+" * bool(changes or added)


def _git(checkout: Path, *words: str) -> str:
    """Return what Git says of `checkout`, and not of the repository that GIT_DIR may name.

    As the code that asks is itself of this checkout, it is safe, whoever owns its files.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    call = ["git", "-c", "safe.directory=*", "-C", str(checkout), *words]
    process = subprocess.run(
        call, env=environment, capture_output=True, text=True, encoding="utf-8", check=True
    )
    return process.stdout
