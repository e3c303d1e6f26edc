"""Every claim tests a sentence that is written down; each is tested or says why it is not."""

from cnn_anatomy.studies.sentence import load_sentences, sentence_key
from cnn_anatomy.studies.study import load_study, study_names

CLAIMS = [claim.id for study in study_names() for claim in load_study(study).claims]


def test_every_claim_tests_a_sentence():
    assert {sentence_key(claim) for claim in CLAIMS} <= set(load_sentences())


def test_every_sentence_is_tested_or_says_why_not():
    tested = {sentence_key(claim) for claim in CLAIMS}
    for key, sentence in load_sentences().items():
        assert key in tested or sentence.untested, key
        assert {sentence_key(claim) for claim in sentence.denied_by} <= {key}
        assert set(sentence.denied_by) <= set(CLAIMS)
