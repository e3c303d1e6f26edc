"""The launchers as Hydra plugins; those of the cluster extra only where it is installed.

Hydra only discovers plugins defined in this package, hence the subclasses.
"""

from importlib.util import find_spec

from cnn_anatomy.launchers.local import LocalLauncher


class Local(LocalLauncher):
    """hydra/launcher=local."""


if find_spec("hydra_plugins.hydra_submitit_launcher"):
    from cnn_anatomy.launchers.slurm import SlurmLauncher

    class Slurm(SlurmLauncher):
        """hydra/launcher=slurm."""


if find_spec("ray"):
    from cnn_anatomy.launchers.ray import RayLauncher

    class Ray(RayLauncher):
        """hydra/launcher=ray."""
