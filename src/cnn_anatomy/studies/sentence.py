"""Sentences: what is said, of which each is tested by one or more claims."""

from __future__ import annotations

from collections.abc import Mapping

from cnn_anatomy.core.paths import EXPERIMENTS
from cnn_anatomy.studies.reading import read_record
from cnn_anatomy.studies.record import Key, Record

SENTENCES = EXPERIMENTS / "claims" / "sentences.yaml"


class Sentence(Record):
    """A sentence that is said about networks.

    Attributes:
        text: the sentence.
        source: who says it.
        untested: which part of it no claim tests, and why; empty if all of it is tested.
        denied_by: the ids of the claims that speak against it if they are supported.
        qualified_by: the ids of the claims that tell more of it, but speak neither for nor against.
    """

    text: str
    source: str
    untested: str = ""
    denied_by: tuple[str, ...] = ()
    qualified_by: tuple[str, ...] = ()


class SentencesFile(Record):
    """The content of experiments/claims/sentences.yaml.

    Attributes:
        sentences: by the part before the dot of the ids of the claims that test them.
    """

    sentences: Mapping[Key, Sentence]


def load_sentences() -> Mapping[str, Sentence]:
    """Read experiments/claims/sentences.yaml.

    Raises:
        ConfigError: if the file is malformed.
    """
    return read_record(SENTENCES, SentencesFile).sentences


def sentence_key(claim_id: str) -> str:
    """Return the key of the sentence that a claim tests."""
    return claim_id.partition(".")[0]
