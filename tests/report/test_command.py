"""The command python -m cnn_anatomy.report, in a process of its own."""

import subprocess
import sys

import pytest
from helpers import REPOSITORY, environment


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["pages"], "invalid choice: 'pages' (choose from"),
        ([], "the following arguments are required: output"),
        (["tables", "skp"], "study=skp is none of "),
        (["tables", "skip"], "study=skip has no sweep in the store"),
        (["verdicts", "skip"], "verdicts takes no study, not skip"),
        (["figures", "skip"], "figures takes no study, not skip"),
        (["publish", "skp"], "skp is none of the studies and papers "),
        (["paper", "skp"], "study=skp is none of "),
        (["site", "skip", "pooling,aux"], "the store has no sweep of skip, pooling, aux"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, new_store, words, mistake):
    call = [sys.executable, "-m", "cnn_anatomy.report", *words]
    own = environment(tmp_path, new_store(tmp_path))
    process = subprocess.run(call, env=own, capture_output=True, text=True, check=False)
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert mistake in line


@pytest.mark.parametrize("target", ["report", "publish"])
def test_make_names_no_study_unless_told(target):
    """Without names, the report falls back on the committed results."""
    for words, end in (([], ""), (["STUDY=skip"], "skip")):
        command = ["make", "-n", "--no-print-directory", target, *words]
        said = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        assert said.stdout.splitlines()[-1].split(".report ")[1].split()[1:] == end.split()
