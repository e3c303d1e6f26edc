"""Checks a composed configuration before PyTorch or MLflow is imported.

`nodes` checks every key and value by itself, `rules` their combinations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cnn_anatomy.config.nodes import node_mistakes
from cnn_anatomy.config.options import option_names, top_level, written
from cnn_anatomy.config.rules import broken_rules
from cnn_anatomy.config.source_network import source_config
from cnn_anatomy.config.targets import key_kind, with_defaults
from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.core.sentences import sentence


def check_config(config: DictConfig, choices: Mapping[str, str]) -> None:
    """Check a composed, unresolved configuration; `choices` names the option of every group.

    Raises:
        ConfigError: if it makes no sense, with a line for each mistake.
    """
    without_hydra = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    mistakes = list(_mistakes(without_hydra, choices))
    if mistakes:
        raise ConfigError("\n".join(dict.fromkeys(mistakes)))


def _mistakes(config: DictConfig, choices: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for every mistake; combinations are checked if all keys and values fit."""
    structural = list(_top_level_mistakes(config))
    yield from structural
    in_nodes: list[str] = []
    groups, keys = top_level()
    if all(isinstance(config._get_node(group), DictConfig) for group in groups):
        for key in (*groups, *keys):
            if key in config:
                file = written(key, choices.get(key))
                in_nodes += node_mistakes(config, key, key, key_kind("", key, None), file)
    yield from in_nodes
    if structural or in_nodes:
        return
    resolved = OmegaConf.to_container(config, resolve=True)
    assert isinstance(resolved, dict)
    yield from broken_rules({str(key): with_defaults(value) for key, value in resolved.items()})
    yield from _source_mistakes(config, choices)


def _top_level_mistakes(config: DictConfig) -> Iterator[str]:
    """Yield a sentence for every top-level key that is missing, unknown or no option."""
    groups, keys = top_level()
    expected = (*groups, *keys)
    for key in expected:
        names = option_names(key)
        offer = f"{key} is one of {', '.join(names)}" if names else f"give {key}=…"
        if key not in config:
            yield f"{key} is missing: {offer}"
        elif key in groups and not isinstance(config._get_node(key), DictConfig):
            yield f"{key}={config._get_node(key)} is no option: {offer}"
    for key in map(str, config):
        if key not in expected:
            hint = did_you_mean(key, expected)
            yield f"{key} is no key: the top level takes {', '.join(sorted(expected))}{hint}"


def _source_mistakes(config: DictConfig, choices: Mapping[str, str]) -> Iterator[str]:
    """Check the configuration of a transfer's source network, if the run trains one."""
    try:
        source = source_config(config, resolve=False)
    except OmegaConfBaseException as error:
        yield f"transfer.source: {sentence(error)}"
        return
    if source is not None:
        for mistake in _mistakes(source, {**choices, "freeze": "none", "transfer": "none"}):
            yield f"transfer.source: {mistake}"
