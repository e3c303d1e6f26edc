"""Hydra's sweeper for studies: expands them, runs what is not done, and prints their tables."""

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore

from hydra_plugins.study_sweeper.sweeper import StudySweeper

__all__ = ["StudySweeper"]


@dataclass
class StudySweeperConfig:
    """What `hydra/sweeper=study` builds."""

    _target_: str = "hydra_plugins.study_sweeper.sweeper.StudySweeper"


ConfigStore.instance().store(
    group="hydra/sweeper", name="study", node=StudySweeperConfig, provider="cnn-anatomy"
)
