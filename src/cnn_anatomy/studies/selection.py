"""The studies, and their settings, that the words of a command name."""

from __future__ import annotations

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.studies.setting import ALL_SETTINGS
from cnn_anatomy.studies.study import Study, load_settings, own_names, study_names

CORE = ("pooling", "skip", "inception", "aux", "freeze")


def select_studies(text: str, setting: str | None = None) -> list[Study]:
    """Read the studies of a comma-separated list, those of a folder together.

    A word is a name or the path of a file; `core` stands for several, and `all` for those of the
    folder that CNN_ANATOMY_STUDIES names, or else of experiments/.

    Args:
        text: the list.
        setting: the setting of each, or `all`; by default the first.

    Raises:
        ConfigError: if there is no such study or setting, or its file is malformed.
    """
    groups = {"core": list(CORE), "all": own_names() or study_names()}
    names = [name for word in text.split(",") for name in groups.get(word, [word])]
    studies = [study for name in dict.fromkeys(names) for study in _in_settings(name, setting)]
    files = {study.name: study.file for study in reversed(studies)}
    for study in studies:
        if files[study.name] != study.file:
            raise ConfigError(
                f"study={study.file} and {files[study.name]} have the same name, under which their "
                "runs are kept: rename one of the files"
            )
    return sorted({study.name: study for study in studies}.values(), key=lambda s: str(s.results))


def _in_settings(word: str, setting: str | None) -> list[Study]:
    """Read a study, and return it in the setting that is asked for, or in all of them."""
    studies = load_settings(word)
    if setting is None:
        return studies[:1]
    found = [study for study in studies if setting in (ALL_SETTINGS, study.setting)]
    if not found:
        names = [study.setting for study in studies if study.setting]
        raise ConfigError(
            f"SETTING={setting} is none of study={word}'s settings: "
            f"{', '.join(names) or 'it has none'}{did_you_mean(setting, names)}"
        )
    return found
