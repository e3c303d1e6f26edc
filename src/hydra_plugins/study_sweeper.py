"""The sweeper as a Hydra plugin, `hydra/sweeper=study`."""

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore

from cnn_anatomy.sweep.sweeper import StudySweeper


class Plugin(StudySweeper):
    """Defined here because Hydra only discovers plugins of this package."""


@dataclass
class PluginConfig:
    """The sweeper's settings, as in `hydra.sweeper.seeds=5`; see `StudySweeper`."""

    _target_: str = "hydra_plugins.study_sweeper.Plugin"
    seeds: int | None = None
    force: bool = False
    plan: bool = False
    budget: str | None = None
    setting: str | None = None
    until: str | None = None
    max_seeds: int = 24
    match: str | None = None
    match_to: str | None = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="study", node=PluginConfig, provider="cnn-anatomy"
)
