"""The words of the command line, key=value each, before Hydra composes them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, Quote, QuotedString
from hydra.errors import HydraException

from cnn_anatomy.config.options import PLACED, option_names, top_level
from cnn_anatomy.core.errors import ConfigError

# Options of the command line whose value is the next word.
WITH_VALUE = {
    *("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--package", "-p"),
    *("--cfg", "-c", "--info", "-i", "--experimental-rerun"),
}
MULTIRUN = {"--multirun", "-m"}
_PLACED_WORD = re.compile(rf"\w+@({'|'.join(map(re.escape, PLACED))})(?==)")  # see `composable`


def evaluation_words(arguments: Sequence[str]) -> list[str]:
    """Return a command line that begins with `evaluate CHECKPOINT`, with that as an override.

    Raises:
        ConfigError: if the checkpoint is left out.
    """
    if len(arguments) < 2 or (not Path(arguments[1]).is_file() and "=" in arguments[1]):
        raise ConfigError("evaluate takes a file or runs:/<id>: cnn-anatomy evaluate CHECKPOINT …")
    source = QuotedString(arguments[1], Quote.single).with_quotes()
    return [f"evaluate={source}", *arguments[2:]]


def check_words(words: Iterable[str]) -> None:
    """Check that Hydra's grammar can read every override.

    Raises:
        ConfigError: if it can't, with the key, the value and the quotes by which it can.
    """
    for word in words:
        try:
            _parsed(word)
        except HydraException:
            raise ConfigError(_refusal(word)) from None


def deferred(arguments: Sequence[str]) -> list[str]:
    """Return the command line with the settings of options deferred to the variants of a sweep.

    Hydra composes the sweep as a whole first, where `pooling.size=5` would be checked against the
    default pooling and not against those of the variants. A setting swept over its single value
    counts for the variants alone; `undeferred` takes that back.
    """
    overrides = set(override_words(arguments))
    if not MULTIRUN.intersection(arguments):
        return list(arguments)
    return [_deferred(word) if word in overrides else word for word in arguments]


def undeferred(words: Iterable[str], loader: ConfigLoader | None = None) -> list[Override]:
    """Return parsed overrides, in which a setting swept over a single value is that value.

    An option that `composable` has put elsewhere has its own key again.

    Args:
        words: the overrides.
        loader: finds the options that a pattern, as in `pooling=glob(blur_*)`, stands for.
    """
    plain = (_PLACED_WORD.sub(r"\1", word) for word in words)
    overrides = [_parsed(word, loader) for word in plain]
    return [
        _parsed(_around(o, str(o.input_line).partition("choice(")[2][:-1]))
        if _is_deferred(o)
        else o
        for o in overrides
    ]


def override_words(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command line that are overrides."""
    before = ""
    for word in arguments:
        if not word.startswith("-") and before not in WITH_VALUE:
            yield word
        before = word


def options_first(arguments: Sequence[str]) -> list[str]:
    """Return the command line with its options before its overrides, which argparse asks for."""
    overrides = list(override_words(arguments))
    left = list(overrides)
    options = []
    for word in arguments:
        if word in left:
            left.remove(word)
        else:
            options.append(word)
    return [*options, *overrides]


def option_values(arguments: Sequence[str], *names: str) -> list[str]:
    """Return the values of the options called `names`, as in `--name value` or `--name=value`."""
    values, before = [], ""
    for word in arguments:
        name, equals, value = word.partition("=")
        if equals and name in names:
            values.append(value)
        elif before in names:
            values.append(word)
        before = word
    return values


def composable(words: Iterable[str]) -> list[str]:
    """Return overrides as Hydra takes them.

    The setting of an option adds its key where its file lacks it. What the option's class takes is
    known by its signature, which `check_config` compares: so `pooling.size=5` need not be written
    `+pooling.size=5`. An option that is put elsewhere, as by `surgery.pooling=max`, is written in
    Hydra's way, `pooling@surgery.pooling=max`.
    """
    words = list(words)
    last = {word.partition("=")[0]: word for word in words}
    return [
        f"++{word}" if _is_setting(word) else _placed(word)
        for word in words
        # To Hydra, null is no option but a value, which would win wherever it stands.
        if not _is_placed(word) or last[word.partition("=")[0]] == word
    ]


def _is_setting(word: str) -> bool:
    key, equals, _ = word.partition("=")
    group, dot, _ = key.partition(".")
    return bool(equals and dot) and group in top_level()[0] and not _is_option(word)


def _is_placed(word: str) -> bool:
    return word.partition("=")[0] in PLACED


def _is_option(word: str) -> bool:
    """Return whether an override puts an option elsewhere, as `surgery.pooling=max` does."""
    return _is_placed(word) and word.partition("=")[2] not in ("", "null")


def _placed(word: str) -> str:
    """Return an override that puts an option elsewhere in Hydra's way, any other as it is."""
    return f"{PLACED[word.partition('=')[0]]}@{word}" if _is_option(word) else word


def _deferred(word: str) -> str:
    override = _parsed(word)
    group, dot, _ = override.key_or_group.partition(".")
    value = word.partition("=")[2]
    several = len(option_names(group)) > 1
    if (
        not (dot and value and several)
        or value == "null"
        or override.is_sweep_override()
        or override.is_delete()
    ):
        return word
    return _around(override, f"choice({value})")


def _is_deferred(override: Override) -> bool:
    value = override._value
    single = isinstance(value, ChoiceSweep) and not value.simple_form and len(value.list) == 1
    return single and "." in override.key_or_group


def _around(override: Override, value: str) -> str:
    """Return an override's word with another value."""
    return f"{str(override.input_line).partition('=')[0]}={value}"


def _parsed(word: str, loader: ConfigLoader | None = None) -> Override:
    (override,) = OverridesParser.create(loader).parse_overrides([word])
    return override


def _refusal(word: str) -> str:
    key, equals, value = word.partition("=")
    if not equals:
        return f"{word} is no override: write key=value"
    path = str(Path(value).expanduser()) if value.startswith("~/") else value
    quoted = f"{key}={QuotedString(path, Quote.double).with_quotes()}"
    try:
        _parsed(quoted)
    except HydraException:
        return f"{word} is no override: write key=value"
    return (
        f"{word} has characters that mean something in Hydra's grammar: if the value is a text, "
        f"quote it twice, as in {shlex.quote(quoted)}"
    )
