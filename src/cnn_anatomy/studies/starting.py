"""The first files of a study, a pooling or a data set of a user's own: `cnn-anatomy new`."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from cnn_anatomy.core.atomic import write_text
from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.core.paths import CONF
from cnn_anatomy.studies.study import study_names

STARTERS = Path(__file__).with_name("starters")
SUFFIX = ".txt"  # so that nothing takes a starter for code
KINDS = ("study", "pooling", "data")
COMMANDS = {
    "study": "cnn-anatomy --multirun study={name}.yaml",
    "pooling": "cnn-anatomy --config-dir=conf pooling={name}",
    "data": "cnn-anatomy --config-dir=conf data={name}",
}


def start_files(words: Sequence[str], folder: Path) -> list[Path]:
    """Write the first files of a kind of thing, called `words` = (kind, name), to a folder.

    They work as they are: a comment on every key, and a test.

    Raises:
        ConfigError: if the words are no kind and name, or the name or a file is taken.
    """
    if len(words) != 2 or words[0] not in KINDS:
        hint = did_you_mean(words[0], KINDS) if words else ""
        raise ConfigError(
            f"new {' '.join(words)}".rstrip() + f" is none of new {'|'.join(KINDS)} NAME{hint}"
        )
    kind, name = words
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ConfigError(
            f"new {kind} {name}: {name} is no name of a Python module, which has letters, digits "
            "and _ alone, and begins with none of the digits"
        )
    taken = study_names() if kind == "study" else [p.stem for p in (CONF / kind).glob("*.yaml")]
    if name in taken:
        names = ", ".join(sorted(taken))
        raise ConfigError(f"new {kind} {name}: choose a name that is none of {names}")
    if kind != "study" and not (folder / f"{name}.py").exists() and find_spec(name) is not None:
        raise ConfigError(
            f"new {kind} {name}: Python has a module {name}, which {name}.py would hide: choose "
            "another name"
        )
    root = STARTERS / kind
    targets = {
        file: folder / str(file.relative_to(root)).replace("NAME", name).removesuffix(SUFFIX)
        for file in sorted(root.rglob(f"*{SUFFIX}"))
    }
    for target in targets.values():
        if target.exists():
            raise ConfigError(f"new {kind} {name}: {target.name} exists and is left as it is")
    title = "".join(part.capitalize() for part in name.split("_"))
    for file, target in targets.items():
        text = file.read_text(encoding="utf-8")
        write_text(target, text.replace("CLASS", title).replace("NAME", name))
    return list(targets.values())


def start(words: Sequence[str]) -> None:
    """Write first files to the current folder, and print their names and the command for them.

    Raises:
        ConfigError: see `start_files`.
    """
    for file in start_files(words, Path.cwd()):
        print(file.relative_to(Path.cwd()))
    print(COMMANDS[words[0]].format(name=words[1]))
