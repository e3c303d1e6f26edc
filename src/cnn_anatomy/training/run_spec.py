"""What one run is, read from its configuration once and handed to everything that trains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.config.duration import is_dry_run
from cnn_anatomy.config.run_key import run_key
from cnn_anatomy.config.source_network import source_config
from cnn_anatomy.core.paths import cache, tracking_uri


@dataclass(frozen=True)
class RunSpec:
    """A run: what it trains, where it is recorded and where its files go.

    Args:
        config: the resolved configuration; it is read only, never changed.
        choices: the chosen option of each config group.
        words: the overrides from which the configuration was composed.
        key: the hash of all that determines the result.
        kind: the MLflow tag `kind`: `run`, `evaluation` (of weights, without training), or
            `source` for the source network of a transfer.
        name: the run's name in MLflow.
        store_uri: where MLflow records it.
        cache_folder: the folder for everything that can be computed again.
    """

    config: DictConfig
    choices: Mapping[str, str]
    words: Sequence[str]
    key: str
    kind: str
    name: str
    store_uri: str
    cache_folder: Path

    @classmethod
    def of(
        cls,
        config: DictConfig,
        choices: Mapping[str, str] | None = None,
        words: Sequence[str] = (),
    ) -> RunSpec:
        """Return the spec of a composed and checked configuration.

        Raises:
            OmegaConfBaseException: if an interpolation cannot be resolved.
        """
        config = config.copy()
        OmegaConf.resolve(config)
        return cls(
            config,
            choices or {},
            words,
            key=run_key(config),
            kind="run" if config.evaluate is None else "evaluation",
            name=_name(config),
            store_uri=tracking_uri(config.tracking.uri),
            cache_folder=cache(config.paths.cache),
        )

    def source(self) -> RunSpec:
        """Return the spec of the network that a transfer trains first: this run, with changes."""
        config = source_config(self.config)
        assert config is not None, "this run's transfer trains no source network"
        config.variant = "source network"
        return replace(
            self,
            config=config,
            choices={**self.choices, "freeze": "none", "transfer": "none"},
            words=(),  # the source's would be others
            key=run_key(config),
            kind="source",
            name=config.variant,
        )

    @property
    def plain(self) -> dict[str, Any]:
        """The configuration as plain dictionaries and lists."""
        plain = OmegaConf.to_container(self.config)
        assert isinstance(plain, dict)
        return {str(key): value for key, value in plain.items()}

    @property
    def tags(self) -> dict[str, str]:
        """The MLflow tags that identify the run."""
        tags = {
            "study": self.config.study,
            "variant": self.config.variant,
            "key": self.key,
            "kind": self.kind,
        }
        return tags | ({"setting": self.config.setting} if self.config.setting else {})

    @property
    def parent(self) -> str | None:
        """The id of the sweep's parent run in MLflow, if a sweep trains this run."""
        return self.config.tracking.parent

    @property
    def log_file(self) -> str | None:
        """The file of this process's output, if the launcher keeps one."""
        return self.config.tracking.log

    @property
    def is_dry(self) -> bool:
        """Whether the run only tries a few batches, and is not recorded."""
        return is_dry_run(self.config.trainer)

    @property
    def lock_file(self) -> Path:
        """The file to lock while this run is trained."""
        return self.cache_folder / "checkpoints" / f"{self.key}.lock"

    @property
    def journal_folder(self) -> Path:
        """Where writes wait while the tracking server is lost."""
        return self.cache_folder / "journal"

    @property
    def source_weights(self) -> Path:
        """The file of the selected weights, where the run is the source of a transfer."""
        return self.cache_folder / "sources" / f"{self.key}.pt"

    def checkpoint_folder(self, run_id: str) -> Path:
        """Return the folder of the checkpoints of the MLflow run `run_id`."""
        return self.cache_folder / "checkpoints" / run_id


def _name(config: DictConfig) -> str:
    """Return a run's name in MLflow."""
    if config.evaluate is not None:
        return f"{Path(config.evaluate).name} evaluated"
    return f"{config.variant} s{config.seed}"
