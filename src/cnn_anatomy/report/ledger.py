"""The ledger: every claim with its verdict, grouped by topic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

from cnn_anatomy.core.atomic import write_text
from cnn_anatomy.report.figures.forest import forest
from cnn_anatomy.report.figures.verdict_map import verdict_map
from cnn_anatomy.report.sentence_matrix import (
    MATRIX_NOTE,
    SentenceRow,
    matrix_markdown,
    sentence_rows,
)
from cnn_anatomy.report.settings_map import SETTINGS_NOTE, setting_names, settings_markdown
from cnn_anatomy.report.templating import render_template
from cnn_anatomy.report.verdict_text import VERDICTS_NOTE, VerdictText, verdicts_to_markdown
from cnn_anatomy.results.across_settings import ClaimAcrossSettings, across_settings
from cnn_anatomy.results.runs import Sweep, is_swept, read_sweep
from cnn_anatomy.results.verdicts import (
    REFUTED,
    SUPPORTED,
    WORDS,
    Verdict,
    judge_claims,
    judge_together,
    verdicts_without_runs,
)
from cnn_anatomy.studies.study import Study, load_settings, load_study, own_names, study_names

TOPICS = {  # by the first letter of a claim's id
    "p": "Pooling",
    "d": "Depth",
    "s": "Skip connections",
    "i": "Inception",
    "a": "Auxiliary classifiers",
    "g": "Global average pooling",
    "t": "Transfer",
    "c": "Convolutions",
    "e": "Channel attention",
    "r": "Stochastic depth",
    "n": "Normalisation",
}
OTHER_TOPIC = "Other"
WITHOUT_RUNS = "without runs"
FOREST = "claims"  # the forest plot's file, without suffix
MAP = "settings"  # the verdict map's


@dataclass(frozen=True)
class Ledger:
    """The verdicts on all claims, which are judged together."""

    verdicts: Sequence[Verdict]

    @property
    def counts(self) -> str:
        """Return how many claims there are, and how many with each verdict or without runs."""
        words = [verdict.word if verdict.means else WITHOUT_RUNS for verdict in self.verdicts]
        kinds = (*WORDS, WITHOUT_RUNS) if WITHOUT_RUNS in words else WORDS
        counts = (f"{words.count(word)} {word}" for word in kinds)
        further = sum("/" in verdict.study for verdict in self.verdicts)
        verdicts = f", {len(words)} verdicts with those in further settings" if further else ""
        exact = sum(v.exact and v.word in (SUPPORTED, REFUTED) for v in self.verdicts)
        absent = sum(bool(v.means) and v.effect is None for v in self.verdicts)
        parts = [f"counts, compared exactly, among the decided: {exact}"] if exact else []
        parts += [f"not measured, among the inconclusive: {absent}"] if absent else []
        remark = f" ({'; '.join(parts)})" if parts else ""
        return f"{len(words) - further} claims{verdicts}: {', '.join(counts)}{remark}."

    @property
    def across(self) -> list[ClaimAcrossSettings]:
        """Return the claims that were judged in more than one setting."""
        return across_settings(self.verdicts)

    @property
    def topics(self) -> dict[str, list[VerdictText]]:
        """Return the verdicts of every topic that has any, by claim id."""
        topics: dict[str, list[VerdictText]] = {t: [] for t in (*TOPICS.values(), OTHER_TOPIC)}
        for verdict in sorted(self.verdicts, key=lambda v: v.claim.id):
            topics[TOPICS.get(verdict.claim.id[:1], OTHER_TOPIC)].append(VerdictText(verdict))
        return {topic: texts for topic, texts in topics.items() if texts}

    @property
    def sentences(self) -> list[SentenceRow]:
        """Return what is said with the verdicts on the claims that test it."""
        return sentence_rows(self.verdicts)

    @property
    def unjudged(self) -> str:
        """Return the studies whose claims have no runs, joined by commas."""
        judged = {verdict.study for verdict in self.verdicts if verdict.effect is not None}
        studies = dict.fromkeys(v.study for v in self.verdicts if v.study not in judged)
        return ", ".join(studies)

    def words(self, study: str) -> dict[str, str]:
        """Return the verdict on each claim of one study, by the claim's id."""
        return {v.claim.id: v.word for v in self.verdicts if v.study == study}

    def study(self, name: str) -> list[VerdictText]:
        """Return the verdicts of one study, in its order."""
        return [VerdictText(verdict) for verdict in self.verdicts if verdict.study == name]

    def draw_map(self, root: Path) -> str:
        """Draw the map of claims × settings as root/settings.png and .svg; return its caption.

        Without a claim that was judged in several settings, nothing is drawn.
        """
        claims = self.across
        return verdict_map(claims, setting_names(claims), root / MAP)

    def draw(self, root: Path) -> str:
        """Draw the forest plot as root/claims.png and root/claims.svg; return its caption.

        Without a claim that has runs, nothing is drawn and the caption is empty.
        """
        verdicts = {topic: [t.verdict for t in texts] for topic, texts in self.topics.items()}
        return forest(verdicts, root / FOREST)

    def write(self, root: Path) -> None:
        """Write root/README.md and the forest plot that it shows, unless there is no claim."""
        if not self.verdicts:
            return
        text = render_template(
            "ledger.md.jinja",
            ledger=self,
            matrix=matrix_markdown(self.sentences),
            matrix_note=MATRIX_NOTE,
            figure=FOREST,
            caption=self.draw(root),
            map_figure=MAP,
            map_caption=self.draw_map(root),
            settings_note=SETTINGS_NOTE,
            settings_table=settings_markdown(self.across),
            note=VERDICTS_NOTE,
            verdicts_to_markdown=verdicts_to_markdown,
            linked={v.study for v in self.verdicts if (root / v.study / "README.md").is_file()},
        )
        write_text(root / "README.md", text)


def judge_all_claims(client: MlflowClient, sweeps: Sequence[tuple[Study, Sweep]]) -> Ledger:
    """Judge every study's claims: by `sweeps`, else by the study's latest preset sweep.

    Raises:
        ConfigError: if a side of a claim picks several variants.
    """
    given = {study.name for study, _ in sweeps}
    names = _companions({study.stem for study, _ in sweeps})
    others = (
        (study, read_sweep(client, study.name))
        for study in (study for name in names for study in load_settings(name))
        if study.name not in given and study.claims and is_swept(client, study.name)
    )
    return judge_sweeps([*sweeps, *others], names)


def _companions(given: AbstractSet[str]) -> list[str]:
    """Return the names of the studies whose claims are judged together with those of `given`.

    They are all of experiments/, or all of the user's own folder; a study that is named by its path
    has none.
    """
    families = (names for names in (study_names(), own_names()) if given & set(names))
    return [name for names in families for name in names]


def judge_sweeps(
    sweeps: Iterable[tuple[Study, Sweep]], names: Sequence[str] | None = None
) -> Ledger:
    """Judge every study's claims by its sweep; one of `names` without a sweep has no runs.

    By default `names` are all studies of experiments/.

    Raises:
        ConfigError: if a side of a claim picks several variants.
    """
    verdicts = {s.name: judge_claims(s.name, s.claims, sweep, s.setting) for s, sweep in sweeps}
    for study in map(load_study, study_names() if names is None else names):
        if study.name not in verdicts:
            verdicts[study.name] = verdicts_without_runs(study.name, study.claims)
    return Ledger(judge_together([v for name in sorted(verdicts) for v in verdicts[name]]))
