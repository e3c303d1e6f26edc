"""Whether a composed configuration makes sense, told before PyTorch or MLflow is imported.

Types come from the annotations of what `_target_` names, ranges from the table of `limits.py`,
and what keys mean together from `rules.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cnn_anatomy.config.annotations import called, fits
from cnn_anatomy.config.limits import limits
from cnn_anatomy.config.rules import broken
from cnn_anatomy.config.signatures import Signature, signature
from cnn_anatomy.config.source_network import source_config
from cnn_anatomy.core.errors import ConfigError, did_you_mean, sentence
from cnn_anatomy.core.paths import CONF

# What a node without `_target_` is called with, and where a target's further keywords go.
CALLED = {"trainer": "lightning.pytorch.trainer.trainer.Trainer"}
COMPOSED = (
    *("families.resnet", "families.imagenet_resnet", "families.vgg", "families.series"),
    *("families.all_cnn", "families.inception_network", "families.googlenet"),
    "backbones.backbone",
)
FORWARDED = {
    **{
        f"cnn_anatomy.networks.{family}": "cnn_anatomy.networks.network.compose"
        for family in COMPOSED
    },
    "cnn_anatomy.networks.auxiliary.Auxiliary": "cnn_anatomy.networks.auxiliary.AuxiliaryHead",
    "cnn_anatomy.training.schedules.one_cycle": "torch.optim.lr_scheduler.OneCycleLR",
}
# Set by the code, so that nobody else can.
SUPPLIED = {
    "trainer": {
        *("logger", "callbacks", "enable_progress_bar", "enable_model_summary"),
        *("log_every_n_steps", "num_sanity_val_steps", "sync_batchnorm", "use_distributed_sampler"),
        *("default_root_dir", "enable_checkpointing", "plugins"),
    },
    "scheduler": {"total_steps", "epochs", "steps_per_epoch", "last_epoch"},
}


def check(config: DictConfig, choices: Mapping[str, str]) -> None:
    """Check a composed, unresolved configuration; `choices` names the option of every axis.

    Raises:
        ConfigError: if it makes no sense, with a line for each mistake.
    """
    alone = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    found = list(_problems(alone, choices))
    if found:
        raise ConfigError("\n".join(dict.fromkeys(found)))


def check_words(overrides: Sequence[str]) -> None:
    """Check, before Hydra reads a file, that every group's option is one of the group's folder.

    Raises:
        ConfigError: if an option is null or a path.
    """
    for word in overrides:
        group, equals, value = word.lstrip("+").partition("=")
        folder = CONF / group.partition("@")[0]
        if not equals or ".." in group or not folder.is_dir():
            continue
        names = sorted(path.stem for path in folder.glob("*.yaml"))
        odd = value == "null" or value.startswith(("[", "{")) or "/" in value or ".." in value
        # Hydra itself would offer launchers that lose a sweep when a worker dies.
        hidden = group == "hydra/launcher" and value not in names
        if odd or hidden or "\\" in value:
            hint = did_you_mean(value, names)
            raise ConfigError(f"{group}={value} is none of {', '.join(names)}{hint}")


def _problems(config: DictConfig, choices: Mapping[str, str]) -> Iterator[str]:
    own, groups = _train()
    axes = (*groups, *own)
    for key in axes:
        if key not in config:
            yield f"{key} is missing: {_offered(key)}"
        elif key in groups and not isinstance(config._get_node(key), DictConfig):
            yield f"{key}={config._get_node(key)} is no option: {_offered(key)}"
    for key in map(str, config):
        if key not in axes:
            hint = did_you_mean(str(key), axes)
            yield f"{key} is no key: the top level takes {', '.join(sorted(axes))}{hint}"
    found = []
    if all(isinstance(config._get_node(k), DictConfig) for k in groups):
        for key in axes:
            found += list(_node(config, key, key, _option(key, choices.get(key))))
    yield from found
    if found or any(key not in config for key in axes):
        return
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    yield from broken({str(k): v for k, v in plain.items()})
    yield from _source_problems(config, choices)


def _source_problems(config: DictConfig, choices: Mapping[str, str]) -> Iterator[str]:
    """Check the configuration that trains a transfer's source network, if one does."""
    try:
        source = source_config(config, resolve=False)
    except OmegaConfBaseException as error:
        yield f"transfer.source: {sentence(error)}"
        return
    if source is not None:
        for problem in _problems(source, {**choices, "freeze": "none", "transfer": "none"}):
            yield f"transfer.source: {problem}"


def _node(parent: DictConfig, key: str, path: str, option: Any) -> Iterator[str]:
    """Check the value of `key` and all below it; `option` is what the option's file has there."""
    if OmegaConf.is_missing(parent, key):
        yield f"{path} is missing: give it a value, {path}=…"
        return
    try:
        value = parent[key]
    except OmegaConfBaseException as error:
        yield f"{path}: {sentence(error)}"
        return
    interpolated = OmegaConf.is_interpolation(parent, key)
    if not isinstance(value, DictConfig):
        if not interpolated:
            yield from _leaf(path, _plain(value), _declared(path))
        return
    if interpolated or path == "transfer.source":  # checked as a configuration of its own
        return
    target = CALLED.get(path) or value.get("_target_")
    if target is None and path.partition(".")[0] not in ("tracking", "paths"):
        for below in map(str, value):
            yield from _node(value, below, f"{path}.{below}", _at(option, below))
        return
    known = _called_with(str(target), path) if target else None
    offered = _settable(path, known, option) if known else list(option or {})
    for below in map(str, value):
        if below.startswith("_"):
            continue
        where = f"{path}.{below}"
        if offered is not None and (known or not target) and below not in offered:
            hint = did_you_mean(below, offered)
            yield f"{where} is no key: {path} takes {_listed(offered, option)}{hint}"
            continue
        kind = known.kinds.get(below) if known else None
        if _is_leaf(value, below):
            if not OmegaConf.is_interpolation(value, below):
                if OmegaConf.is_missing(value, below):
                    yield f"{where} is missing: give it a value, {where}=…"
                else:
                    yield from _leaf(where, _plain(value[below]), _declared(where) or kind)
            else:
                yield from _node(value, below, where, None)
        elif kind is not None and not fits({}, kind):
            yield f"{where}={_shown(_plain(value[below]))} is not {called(kind)}"
        else:
            yield from _node(value, below, where, _at(option, below))


def _leaf(path: str, value: Any, kind: ast.expr | None) -> Iterator[str]:
    """Check a value that is no mapping."""
    bounds = limits(path)
    if not fits(value, kind):
        choices = f": {', '.join(bounds.choices)}" if bounds.choices else ""
        yield f"{path}={_shown(value)} is not {called(kind)}{choices}"
        return
    fault = bounds.fault(value)
    if fault:
        yield f"{path}={_shown(value)} {fault}"


def _called_with(target: str, path: str) -> Signature | None:
    """Return what `target` is called with, the keywords that it hands on included."""
    own = signature(target)
    further = signature(FORWARDED[target]) if own and target in FORWARDED else None
    if own is None or (own.rest and further is None):
        return None
    if further is None:
        return own
    return Signature({**further.kinds, **own.kinds}, further.optional | own.optional)


def _settable(path: str, known: Signature, option: Any) -> list[str]:
    """Return the keys that may be set: those with a default, and those that the file has."""
    written = {str(k) for k in option or {} if not str(k).startswith("_")}
    allowed = (known.optional | written) - SUPPLIED.get(path, set())
    return [k for k in known.kinds if k in allowed]


def _declared(path: str) -> ast.expr | None:
    text = limits(path).kind
    return ast.parse(text, mode="eval").body if text else None


def _is_leaf(node: DictConfig, key: str) -> bool:
    return not isinstance(node._get_node(key), DictConfig)


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _shown(value: Any) -> str:
    """Return a value as an override has it."""
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def _listed(offered: Sequence[str], option: Any) -> str:
    """Return the keys in words: where there are many, those that the option's file has."""
    if len(offered) <= 12:
        return ", ".join(sorted(offered)) or "no key"
    return ", ".join([*(key for key in offered if key in (option or {})), "…"])


def _at(option: Any, key: Any) -> Any:
    return option.get(str(key)) if isinstance(option, dict) else None


def _offered(key: str) -> str:
    names = sorted(path.stem for path in (CONF / key).glob("*.yaml"))
    return f"{key} is one of {', '.join(names)}" if names else f"give {key}=…"


@cache
def _option(axis: str, choice: str | None) -> Any:
    """Return what the file of an option has, and what the files have that it is made from."""
    own, _ = _train()
    if axis in own:
        return own[axis]
    file = CONF / axis / f"{choice}.yaml"
    if choice is None or not file.is_file():
        return None
    raw = yaml.safe_load(file.read_text()) or {}
    bases = [_option(axis, b) for b in raw.get("defaults", []) if isinstance(b, str)]
    merged: dict[str, Any] = {}
    for part in (*filter(None, bases), raw):
        merged |= part
    return {k: v for k, v in merged.items() if k != "defaults"}


@cache
def _train() -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the keys that train.yaml has itself, and the groups of its defaults list."""
    raw = yaml.safe_load((CONF / "train.yaml").read_text())
    lines = [line for line in raw["defaults"] if isinstance(line, dict)]
    groups = tuple(g for line in lines for g in line if not g.startswith("override "))
    return {k: v for k, v in raw.items() if k not in ("defaults", "hydra")}, groups
