"""The configuration that trains the source network of a transfer."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

# What a source network is itself trained with.
SCRATCH = {
    "_target_": "cnn_anatomy.training.transfer.RandomWeights",
    "source": None,
    "layers": None,
}
UNFROZEN = {"_target_": "cnn_anatomy.networks.freezing.NoFreezing"}


def source_config(config: DictConfig, *, resolve: bool = True) -> DictConfig | None:
    """Return `config` with the changes of `transfer.source`, from scratch and with nothing frozen.

    None if the source is no such changes: there is none, or its weights are there already.

    Raises:
        OmegaConfBaseException: if the changes do not go with the configuration.
    """
    changes = config.transfer.get("source")
    if not isinstance(changes, DictConfig):
        return None
    plain = OmegaConf.create(OmegaConf.to_container(config, resolve=resolve))
    plain.transfer, plain.freeze = SCRATCH, UNFROZEN
    merged = OmegaConf.merge(plain, changes)
    assert isinstance(merged, DictConfig)
    if resolve:  # what `data.seed` said of this run's seed, it says of the source's
        merged.data.seed = merged.seed
    return merged
