"""Reading the files of experiments/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.studies.mistakes import mistakes
from cnn_anatomy.studies.record import Record

Content = TypeVar("Content", bound=Record)


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, of which YAML would drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        keys = [(key.tag, key.value) for key, _ in pairs]
        for key, _ in pairs:
            if keys.count((key.tag, key.value)) > 1:
                problem = f"key {key.value} is given twice"
                raise yaml.MarkedYAMLError(None, None, problem, key.start_mark)
        return super().construct_mapping(node, deep)


def record_names(folder: Path) -> list[str]:
    """Return the names of the records in `folder`; hidden files are an editor's."""
    return sorted(p.stem for p in folder.glob("*.yaml") if not p.name.startswith("."))


def find_file(folder: Path, key: str, name: str, others: Sequence[str] = ()) -> Path:
    """Return the file of the record called `name`.

    Raises:
        ConfigError: if there is none, naming `key`, which asked for it, and the choices, of which
            `others` are in another folder.
    """
    names = record_names(folder)
    if name not in names:
        names = [*others, *names]
        hint = did_you_mean(name, names)
        if Path(f"{name}.yaml").is_file():
            hint = f"; for {name}.yaml in this folder, give {key}=./{name}.yaml"
        raise ConfigError(f"{key}={name} is none of {', '.join(names)}{hint}")
    return folder / f"{name}.yaml"


def read_record(path: Path, kind: type[Content]) -> Content:
    """Read a YAML file.

    Raises:
        ConfigError: if it isn't YAML or not of this kind: a line for each mistake.
    """
    content = _read_yaml(path)
    if not isinstance(content, dict):
        keys = ", ".join(sorted(kind.model_fields))
        raise ConfigError(f"{path.name} holds no keys: it takes {keys}")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        lines = [" ".join(line.split()) for line in mistakes(error, kind, content)]
        raise ConfigError("\n".join(f"{path.name}: {line}" for line in lines)) from error


def _read_yaml(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path.name} isn't UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
        ) from error
    try:
        return yaml.load(text, _UniqueKeyLoader)  # which is a SafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2020-13-01
        text = " ".join(str(error).replace('in "<unicode string>", ', "at ").split())
        raise ConfigError(f"{path.name} isn't valid YAML: {text}") from error
