"""What the files of experiments/ are made of: records, and the kinds of value they hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict

from cnn_anatomy.core.errors import ConfigError, did_you_mean


class Record(BaseModel):
    """Immutable keys and values, validated on construction; an unknown key is refused.

    A validator raises `ConfigError`. The message of the validator of a field, or of a record inside
    a file, is a predicate, as in "must be a list"; `mistakes` puts the key and the value before it.
    The message of a file's own validator is a whole sentence.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants"
    )


def one_of(choices: Collection[str]) -> Callable[[str], str]:
    """Return a validator that accepts only one of `choices`."""

    def check_choice(value: str) -> str:
        if value not in choices:
            raise ConfigError(f"is none of {', '.join(choices)}{did_you_mean(value, choices)}")
        return value

    return check_choice


def override_value(value: Any) -> str:
    """Return a value of a study's file as Hydra's overrides write it."""
    if isinstance(value, list):
        return f"[{','.join(map(override_value, value))}]"
    return "null" if value is None else str(value)


def _override(text: str) -> str:
    if "=" not in text and not text.startswith("~"):
        raise ConfigError("must be an override, as in key=value")
    return text


def _setting(value: Any) -> Any:
    if isinstance(value, list):
        return [_setting(item) for item in value]
    if value is not None and not isinstance(value, str | int | float):
        raise ConfigError("must be text, a number, true, false, null or a list of these")
    return value


Key = Annotated[str, Field(coerce_numbers_to_str=True)]  # YAML reads `8:` as a number
Count = Annotated[int, Strict(), Field(ge=1)]
Number = Annotated[float, Strict()]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
Override = Annotated[str, AfterValidator(_override)]
Overrides = tuple[Override, ...]
Setting = Annotated[Any, AfterValidator(_setting)]
Params = Annotated[Mapping[Key, Setting], Field(min_length=1)]
