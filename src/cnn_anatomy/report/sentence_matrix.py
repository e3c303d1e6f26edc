"""The matrix of sentences: what is said, the claims that test it, and their verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnn_anatomy.report.markdown import escape_html, markdown_table
from cnn_anatomy.results.verdicts import REFUTED, SUPPORTED, Verdict
from cnn_anatomy.studies.sentence import Sentence, load_sentences, sentence_key

HEADS = ("what is said", "claims", "in sum", "not tested")
STANDS = FOR, AGAINST, OPEN = ("for", "against", "open")
ABSENT = "–"
MATRIX_NOTE = (
    "Each sentence, the verdicts on the claims that test it, and how many speak for it and against "
    "it; counts speak once. Claims of one sentence are different ways to test it: where they "
    "disagree, read their scopes."
)


@dataclass(frozen=True)
class SentenceRow:
    """A sentence, its key, and the verdicts on the claims that test it."""

    key: str
    sentence: Sentence
    verdicts: Sequence[Verdict]

    @property
    def in_sum(self) -> str:
        """Return how many verdicts speak for the sentence, how many against it.

        A count that is the same in several settings speaks once.
        """
        denials = self.sentence.denied_by
        counted = {
            (v.claim.id, v.word if v.exact else v.study): v
            for v in self.verdicts
            if v.claim.id not in self.sentence.qualified_by
        }
        stands = [_stand(v.word, denies=v.claim.id in denials) for v in counted.values()]
        return ", ".join(f"{stands.count(s)} {s}" for s in STANDS if s in stands) or ABSENT

    @property
    def untested(self) -> str:
        """Return which part of the sentence no claim tests."""
        return self.sentence.untested or ABSENT


def sentence_rows(verdicts: Iterable[Verdict]) -> list[SentenceRow]:
    """Return every sentence with its verdicts; none if no claim tests one of the sentences."""
    by_sentence: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_sentence.setdefault(sentence_key(verdict.claim.id), []).append(verdict)
    sentences = load_sentences()
    if not sentences.keys() & by_sentence.keys():
        return []
    return [SentenceRow(key, s, by_sentence.get(key, [])) for key, s in sentences.items()]


def matrix_markdown(rows: Sequence[SentenceRow]) -> str:
    """Return the matrix as a Markdown table; empty without rows."""
    return markdown_table(HEADS, map(_cells, rows)) if rows else ""


def _cells(row: SentenceRow) -> list[str]:
    said = f"**{row.key}** {row.sentence.text} — {row.sentence.source}"
    claims = "; ".join(f"{verdict.name} {verdict.word}" for verdict in row.verdicts) or ABSENT
    return list(map(escape_html, (said, claims, row.in_sum, row.untested)))


def _stand(word: str, *, denies: bool) -> str:
    """Return whether a verdict speaks for or against a sentence, which its claim may deny."""
    if word not in (SUPPORTED, REFUTED):
        return OPEN
    return FOR if (word == SUPPORTED) != denies else AGAINST
