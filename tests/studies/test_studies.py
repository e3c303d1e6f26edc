"""Study files: what they plan, and what is said of a malformed one."""

import pytest
from helpers import SMALL, composed
from hydra.utils import instantiate
from omegaconf import OmegaConf

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.networks import Network
from cnn_anatomy.report.figures import check_figures
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.studies.study import CORE, Study, Table, load, names, parse, select
from cnn_anatomy.training.build import build


def test_a_grid_is_the_product_and_seeds_are_paired():
    grid = {"model.depth": [8, 14], "skip": ["none", "identity"]}
    study = Study("s", "?", "", Table((), ()), ("norm=none",), grid, {"wide": ("model.width=32",)})
    runs = study.runs()
    assert [r.seed for r in runs] == [0] * 5 + [1] * 5 + [2] * 5
    assert runs[1] == (
        "s",
        "depth=8 skip=identity",
        0,
        ("norm=none", "model.depth=8", "skip=identity"),
    )
    assert runs[4].overrides == ("norm=none", "model.width=32")
    assert {r[1] for r in study.runs([7])} == {r.variant for r in runs}


def test_words_for_several_studies():
    assert [s.name for s in select("core")] == list(CORE)
    assert [s.name for s in select("all")] == names()
    assert [s.name for s in select("skip,pooling,skip")] == ["skip", "pooling"]
    with pytest.raises(ConfigError, match=r"study=skp is none of .*did you mean skip"):
        select("skp")


GOOD = "question: a\nreading: b\ntable: {rows: [skip], metrics: [macs]}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no keys"),
        ("question: [", "is no YAML"),
        ("question: a\nreading: b\n", "lacks the key table"),
        ("qestion: a\n", "key qestion is none of"),
        (
            "question: a\nreading: b\ntable: {rows: [skip], metrics: [macs]}\n",
            "sweeps nothing",
        ),
        (GOOD + "grid: {skip: 3}", "grid.skip holds 3, not a list"),
        (GOOD + "grid: {skip: []}", "grid.skip is empty"),
        (GOOD + "grid: [skip]", "grid holds .*, not keys with values"),
        (GOOD + "grid: {skip: [a]}\nseeds: x", "seeds=x is no whole number from 1 up"),
        (GOOD + "grid: {skip: [a]}\nseeds: 0", "seeds=0 is no whole number from 1 up"),
        (GOOD + "variants: {a: skip=none}", "variants.a holds 'skip=none', not a list"),
        (GOOD + "variants: {a: [skip]}", "variants.a holds skip, no override"),
        (GOOD + "overrides: [3]\nvariants: {a: []}", "overrides holds 3, not a name"),
        (GOOD + "grid: {skip: [a]}\nfigures: [3]", "figures holds 3, neither a name"),
        (
            "question: a\nreading: b\ntable: {rows: [skip], metrics: [macs], baseline: skip=non}\n"
            "grid: {skip: [none]}\n",
            "table.baseline=skip=non is none of skip=none .*did you mean",
        ),
    ],
)
def test_a_malformed_file_is_refused_in_one_sentence(tmp_path, text, said):
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as error:
        parse("odd", path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", names())
def test_every_variant_of_every_study_builds(name, small):
    study = load(name)
    assert study.seeds >= 3
    check_figures(study)
    for column in study.table.metrics:
        metric(column)
    for run in study.runs([0]):
        sizes = [s for s in SMALL if not s.startswith("model.")]
        cache = small().paths.cache
        config = composed(*run.overrides, *sizes, f"paths.cache={cache}")
        OmegaConf.resolve(config)
        classifier, _ = build(config, instantiate(config.data, _convert_="all"))
        assert isinstance(classifier.network, Network)
        shown = {"variant", *(f"{g}.{k}" for g in config for k in _keys(config[g])), *config}
        assert set(study.table.rows) <= shown | {"freeze.layers"}


def _keys(node):
    return list(node) if OmegaConf.is_dict(node) else []
