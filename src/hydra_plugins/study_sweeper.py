"""Makes the sweeper known to Hydra as `hydra/sweeper=study`."""

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore

from cnn_anatomy.sweep.sweeper import StudySweeper


class Plugin(StudySweeper):
    """The same: Hydra wants a plugin's class to be of this package."""


@dataclass
class PluginConfig:
    """Its settings, as in `hydra.sweeper.seeds=5`; see `StudySweeper`."""

    _target_: str = "hydra_plugins.study_sweeper.Plugin"
    seeds: int | None = None
    force: bool = False
    plan: bool = False
    budget: str | None = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="study", node=PluginConfig, provider="cnn-anatomy"
)
