"""The groups of configurations, their options, and the content of the options' files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from cnn_anatomy.config.search_path import config_folders, hidden_file, option_files
from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.core.paths import CONF

PRESETS = "network"  # the group of published networks
# Keys that hold an option of another group, which is the key's last part.
PLACED = {f"surgery.{group}": group for group in ("pooling", "norm", "activation")}


def check_option_names(overrides: Sequence[str]) -> None:
    """Check before Hydra reads any file that an override of a group names one of its options.

    Raises:
        ConfigError: if an option is null, a list or a path, is hidden by one of the same name, or
            a launcher is not one of ours.
    """
    for word in overrides:
        group, equals, value = word.lstrip("+").partition("=")
        if group in PLACED:
            _check_placed(group, value)
        names = option_names(group.partition("@")[0])
        if not equals or ".." in group or not names:
            continue
        hidden = hidden_file(group, value)
        if hidden is not None:
            raise ConfigError(
                f"{group}={value} is one of ours, which hides {hidden}: give that file a name that "
                f"conf/{group} does not have"
            )
        no_name = value == "null" or value.startswith(("[", "{"))
        is_path = any(part in value for part in ("/", "\\", ".."))
        # Hydra itself would offer launchers that lose a sweep when a worker dies.
        foreign = group == "hydra/launcher" and value not in names
        if no_name or is_path or foreign:
            hint = did_you_mean(value, names)
            raise ConfigError(f"{group}={value} is none of {', '.join(names)}{hint}")


def _check_placed(key: str, value: str) -> None:
    """Check the option that is put at a key of PLACED; a sweep's list is checked one by one."""
    names = ["null", *option_names(PLACED[key])]
    if value not in names and not set(value) & set(",("):
        raise ConfigError(
            f"{key}={value} is none of {', '.join(names)}{did_you_mean(value, names)}"
        )


def option_names(group: str) -> list[str]:
    """Return the options of a group, none if it is no group."""
    return sorted({file.stem for file in option_files(group)}) if group else []


@cache
def top_level() -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return the groups in train.yaml's defaults list, and the other keys of that file.

    Options of PRESETS set the keys of other groups and have none themselves, so it is left out.
    """
    content = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    lines = [line for line in content["defaults"] if isinstance(line, dict)]
    groups = tuple(g for line in lines for g in line if not g.startswith("override "))
    groups = tuple(group for group in groups if group != PRESETS)
    return groups, {k: v for k, v in content.items() if k not in ("defaults", "hydra")}


@cache
def default_option(group: str) -> str:
    """Return the option that train.yaml chooses of a group."""
    content = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    return next(line[group] for line in content["defaults"] if group in line)


def written(key: str, option: str | None) -> Any:
    """Return the content of an option's file merged with that of the options in its defaults list.

    For a key of train.yaml it is that file's value, and None for an option that does not exist.
    """
    _, keys = top_level()
    if key in keys:
        return keys[key]
    files = [folder / key / f"{option}.yaml" for folder in config_folders()]
    return next((_merged(key, file) for file in files if file.is_file()), None)


@cache
def _merged(key: str, file: Path) -> Any:
    """Return the content of an option's file and of its bases."""
    content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    bases = [base for base in content.pop("defaults", []) if isinstance(base, str)]
    merged = OmegaConf.merge(*(written(key, base) or {} for base in bases), content)
    return OmegaConf.to_container(merged)


def written_parts(path: str) -> list[Mapping[str, Any]]:
    """Return what every option of conf/ has at the dotted name `path`, if it names a class there.

    The first part of the name is the group, unless another group's option is put there.
    """
    group, *keys = PLACED.get(path, path).split(".")
    found = []
    for file in sorted((CONF / group).glob("[!.]*.yaml")):
        node = _merged(group, file)
        for key in keys:
            node = node.get(key) if isinstance(node, Mapping) else None
        if isinstance(node, Mapping) and "_target_" in node:
            found.append(node)
    return found
