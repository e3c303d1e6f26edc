"""Makes the launchers known to Hydra, those of the cluster extra only where it is installed."""

from contextlib import suppress

from hydra.core.config_store import ConfigStore

from cnn_anatomy.launchers.local import LocalLauncher


class Local(LocalLauncher):
    """The same: Hydra wants a plugin's class to be of this package."""


with suppress(ModuleNotFoundError):
    from cnn_anatomy.launchers.slurm import SlurmLauncher

    class Slurm(SlurmLauncher):
        """The same."""


with suppress(ModuleNotFoundError):
    from cnn_anatomy.launchers.ray import RayLauncher

    class Ray(RayLauncher):
        """The same."""


# Those that they are made of are no choice: a worker that dies takes the sweep with it. Hydra would
# also warn that conf/hydra/launcher/ray.yaml has the name of its plugin's schema.
ConfigStore.instance().repo["hydra"]["launcher"].clear()
