"""What Hydra's grammar trips over is named with quotes that work; settings wait for variants."""

import shlex
import subprocess

import pytest
from helpers import environment
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from processes import TRAIN

from cnn_anatomy.config.words import (
    check_words,
    composable,
    deferred,
    override_words,
    undeferred,
)
from cnn_anatomy.core.errors import ConfigError

PATHS = ["/a/epoch=3-step=100.ckpt", "w(1).pt", "a b (2)/w.pt", "it's.pt", "a&b#1.pt", "Fotos/ä.pt"]


def value_of(word):
    return OverridesParser.create().parse_override(word).value()


def suggestion(word):
    """Return the word that the refusal of `word` advises, as a shell hands it on."""
    with pytest.raises(ConfigError) as refused:
        check_words([word])
    said = str(refused.value)
    assert said.startswith(word)
    (advised,) = shlex.split(said.partition("as in ")[2])
    return advised


@pytest.mark.parametrize("path", PATHS)
def test_the_advised_quotes_give_the_value_that_was_meant(path):
    assert value_of(suggestion(f"transfer.source={path}")) == path


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
def test_any_text_is_read_or_refused_with_quotes_that_read_it(text):
    try:
        check_words([f"key={text}"])
    except ConfigError:
        if not text.startswith("~/"):
            assert value_of(suggestion(f"key={text}")) == text


def test_a_home_is_spelt_out(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert suggestion("transfer.source=~/w.pt") == 'transfer.source="/home/ada/w.pt"'


@pytest.mark.parametrize("word", ["pooling", "model.depth"])
def test_a_word_without_a_value_is_no_override(word):
    with pytest.raises(ConfigError, match=f"{word} is no override: write key=value"):
        check_words([word])


def test_options_and_their_values_are_no_overrides():
    words = ["--config-dir", "a b=(", "-m", "pooling=max", "--resolve", "-cn", "train"]
    assert list(override_words(words)) == ["pooling=max"]


WORDS = ["pooling.size=5", "model.stages=[[8],[16]]", "+optimizer.eps=1e-3", "data.root='a b'"]


@pytest.mark.parametrize("word", WORDS)
def test_a_setting_of_an_option_waits_for_the_variants_and_is_then_what_it_was(word):
    before, (waiting,) = undeferred([word]), deferred(["-m", word])[1:]
    assert OverridesParser.create().parse_override(waiting).is_sweep_override()
    assert undeferred([waiting]) == before
    assert not before[0].is_sweep_override()


@pytest.mark.parametrize(
    "word",
    [
        "pooling=max",
        "seed=1",
        "trainer.devices=2",
        "pooling.size=3,5",
        "~freeze.layers",
        "data.augment=null",
    ],
)
def test_nothing_else_waits(word):
    assert deferred(["-m", word]) == ["-m", word]


def test_a_single_run_has_no_variants():
    assert deferred(WORDS) == WORDS


def test_a_pattern_stands_for_the_options_that_it_fits(tmp_path):
    call = [*TRAIN, "-m", "pooling=glob(blur_*)", "hydra.sweeper.plan=true"]
    process = subprocess.run(
        call, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    for pooling in ("blur_max", "blur_strided"):
        assert f"pooling={pooling} " in process.stdout
    assert process.stdout.endswith("2 runs: 2 missing\n")


@pytest.mark.parametrize(
    ("typed", "composed"),
    [
        (["surgery.pooling=max"], ["pooling@surgery.pooling=max"]),
        (["surgery.norm.groups=4"], ["++surgery.norm.groups=4"]),
        (["surgery.pooling=null"], ["++surgery.pooling=null"]),
        (["surgery.norm=null", "surgery.norm=group"], ["norm@surgery.norm=group"]),
        (["surgery.norm=group", "surgery.norm=null"], ["++surgery.norm=null"]),
        (["surgery.poolng=max", "pooling=max"], ["++surgery.poolng=max", "pooling=max"]),
    ],
)
def test_an_option_is_put_where_its_key_says_and_the_last_word_counts(typed, composed):
    assert composable(typed) == composed
    assert composable(composed) == composed


def test_a_sweep_sees_the_key_that_was_typed():
    words = composable(["surgery.pooling=null,max", "surgery.activation=gelu"])
    assert [o.input_line for o in undeferred(words)] == [
        "surgery.pooling=null,max",
        "surgery.activation=gelu",
    ]
