"""The wheel, installed in an environment of its own as a user has it."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

from helpers import REPOSITORY


def install_wheel(folder):
    """Build the wheel and install it in a new environment, which borrows the dependencies of ours.

    Args:
        folder: for both, and for a home of its own.

    Returns:
        The paths `wheel`, `python`, `packages`, `home` and `environment`, and `variables`, the
        environment variables of a command.
    """
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", folder / "dist"], cwd=REPOSITORY, check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    install = ["uv", "pip", "install", "--offline", "--no-deps", "--python", python, wheel]
    subprocess.run([sys.executable, "-m", *install], check=True)
    paths = {"base": str(environment), "platbase": str(environment)}
    packages = Path(sysconfig.get_path("purelib", vars=paths))
    # Folders that a .pth file adds have their own .pth files ignored: no editable install leaks.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    home = folder / "home"
    home.mkdir()
    keep = ("LANG", "LD_LIBRARY_PATH", "TMPDIR")
    variables = {key: os.environ[key] for key in keep if key in os.environ}
    variables |= {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(home)}
    variables |= {"OMP_NUM_THREADS": "1", "WORKERS": "2", "PYTHONDONTWRITEBYTECODE": "1"}
    return SimpleNamespace(
        wheel=wheel,
        python=python,
        packages=packages,
        home=home,
        environment=environment,
        variables=variables,
    )
