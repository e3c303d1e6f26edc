"""The figures that a study's or a paper's file asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, model_serializer

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.studies.record import Record


class Figure(Record):
    """A figure's name (see `report.figures`) and its settings.

    In a file it is the name alone, or the name as a key that maps to the settings.
    """

    name: str
    settings: Mapping[str, Any] = {}

    @model_serializer
    def _as_in_a_file(self) -> str | dict[str, Any]:
        return {self.name: dict(self.settings)} if self.settings else self.name


def _figure(value: Any) -> Figure:
    match value:
        case Figure():
            return value
        case str():
            return Figure(name=value)
        case {**items} if len(items) == 1:
            ((key, settings),) = items.items()
            if isinstance(settings, dict) and all(isinstance(k, str) for k in (key, *settings)):
                return Figure(name=str(key), settings=settings)
    raise ConfigError("must be a figure's name, or its name as a key that maps to its settings")


Figures = tuple[Annotated[Figure, BeforeValidator(_figure)], ...]
