"""The configuration of a transfer's source network."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

# The source network itself starts from random weights and trains all of them.
NO_TRANSFER = {
    "_target_": "cnn_anatomy.training.transfer.RandomWeights",
    "source": None,
    "layers": None,
}
NO_FREEZING = {"_target_": "cnn_anatomy.networks.freezing.NoFreezing"}


def source_config(config: DictConfig, *, resolve: bool = True) -> DictConfig | None:
    """Return `config` without transfer and freezing, and with the changes in `transfer.source`.

    None if `transfer.source` is null or names weights that exist already.

    Raises:
        OmegaConfBaseException: if the changes do not fit the configuration.
    """
    changes = config.transfer.get("source")
    if not isinstance(changes, DictConfig):
        return None
    changes = OmegaConf.to_container(changes, resolve=True)  # ${seed} in it is the run's own
    source = OmegaConf.create(OmegaConf.to_container(config, resolve=resolve))
    source.transfer, source.freeze = NO_TRANSFER, NO_FREEZING
    source = OmegaConf.merge(source, changes)
    assert isinstance(source, DictConfig)
    if resolve:  # resolving has replaced ${seed} by the run's own seed
        source.data.seed = source.seed
    return source
