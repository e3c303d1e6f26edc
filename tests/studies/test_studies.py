"""Studies: the runs that they plan, and the files that are in experiments/."""

import subprocess
import sys

import pytest
from helpers import SMALL, composed
from hydra.utils import instantiate
from omegaconf import OmegaConf

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.networks import Network
from cnn_anatomy.report.figures import check_figures
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.studies.selection import CORE, select_studies
from cnn_anatomy.studies.study import Study, Table, load_settings, load_study, study_names
from cnn_anatomy.training.build import build_classifier
from cnn_anatomy.training.run_spec import RunSpec


def study(**keys):
    table = Table(rows=("variant",), metrics=("macs",))
    return Study(name="s", question="?", reading="", table=table, **keys)


def test_a_grid_is_the_product_and_seeds_are_paired():
    runs = study(
        overrides=("norm=none",),
        grid={"model.depth": (8, 14), "skip": ("none", "identity")},
        variants={"wide": ("model.width=32",)},
    ).runs()
    assert [r.seed for r in runs] == [0] * 5 + [1] * 5 + [2] * 5
    assert runs[1] == (
        "s",
        "depth=8 skip=identity",
        0,
        ("norm=none", "model.depth=8", "skip=identity"),
        "",
    )
    assert runs[4].overrides == ("norm=none", "model.width=32")


def test_only_the_asked_seeds_are_planned():
    planned = study(grid={"skip": ("none", "identity")})
    assert [(r.variant, r.seed) for r in planned.runs([7])] == [
        ("skip=none", 7),
        ("skip=identity", 7),
    ]


SETTINGS = """question: Which pooling?
reading: ''
table: {rows: [pooling], metrics: [macs]}
overrides: [model.width=4]
grid: {pooling: [max, avg]}
seeds: 4
limits: Small.
settings:
  plain: {seeds: 2}
  wide: {overrides: [model.width=8, data=digits], limits: Wide.}
"""


def test_a_study_has_a_name_runs_and_limits_of_its_own_in_each_setting(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(SETTINGS)
    plain, wide = load_settings(str(file))
    assert plain == load_study(str(file)) == select_studies(str(file))[0]
    assert [(s.name, s.stem, s.setting) for s in (plain, wide)] == [
        ("mine", "mine", "plain"),
        ("mine/wide", "mine", "wide"),
    ]
    assert (plain.seeds, plain.limits) == (2, "Small.")
    assert (wide.seeds, wide.limits) == (4, "Wide.")
    assert plain.runs([0])[0].overrides == ("model.width=4", "pooling=max")
    run = wide.runs([0])[0]
    assert run.overrides == ("model.width=4", "model.width=8", "data=digits", "pooling=max")
    assert (run.study, run.variant, run.setting) == ("mine/wide", "pooling=max", "wide")
    assert wide.command(4) == f"make sweep STUDY={file} SETTING=wide"
    assert wide.command(5) == f"make sweep STUDY={file} SETTING=wide SEEDS=5"


def test_studies_are_selected_in_a_setting_or_in_all(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(SETTINGS)
    assert [s.name for s in select_studies(str(file), "plain")] == ["mine"]
    assert [s.name for s in select_studies(str(file), "wide")] == ["mine/wide"]
    assert [s.name for s in select_studies(str(file), "all")] == ["mine", "mine/wide"]
    with pytest.raises(ConfigError, match=r"SETTING=wid is none of .*: plain, wide .*mean wide"):
        select_studies(str(file), "wid")
    with pytest.raises(
        ConfigError, match="SETTING=wide is none of study=inception's settings: it has"
    ):
        select_studies("inception", "wide")


def test_a_null_or_a_list_in_a_grid_is_hydras():
    planned = study(grid={"data.augment": (None,), "data.classes": ([1, 2], [3, None])})
    assert [r.variant for r in planned.runs([0])] == [
        "augment=null classes=[1,2]",
        "augment=null classes=[3,null]",
    ]
    config = composed(*planned.runs([0])[0].overrides)
    assert config.data.augment is None
    assert config.data.classes == [1, 2]


def test_words_for_several_studies():
    assert [s.name for s in select_studies("core")] == list(CORE)
    assert [s.name for s in select_studies("all")] == study_names()
    assert [s.name for s in select_studies("skip,pooling,skip")] == ["skip", "pooling"]
    with pytest.raises(ConfigError, match=r"study=skp is none of .*did you mean skip"):
        select_studies("skp")


def test_studies_are_read_without_torch_and_without_hydra():
    heavy = "torch", "lightning", "mlflow", "hydra"
    code = (
        "import sys; from cnn_anatomy.studies.selection import select_studies; "
        "from cnn_anatomy.studies.paper import load_paper; "
        "select_studies('all'), load_paper('he2015', 'smoke'); "
        f"print(sorted(set(sys.modules) & set({heavy})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", study_names())
def test_every_variant_of_every_study_builds(name, small):
    loaded = load_study(name)
    assert loaded.seeds >= 3
    check_figures(loaded)
    for column in loaded.table.metrics:
        metric(column)
    shown = {"variant"}
    for run in loaded.runs([0]):
        sizes = [s for s in SMALL if not s.startswith("model.")]
        cache = small().paths.cache
        config = composed(*run.overrides, *sizes, f"paths.cache={cache}")
        OmegaConf.resolve(config)
        data = instantiate(config.data, _convert_="all")
        classifier, _ = build_classifier(RunSpec.of(config), data)
        assert isinstance(classifier.network, Network)
        shown |= {*(f"{g}.{k}" for g in config for k in _keys(config[g])), *config}
    assert set(loaded.table.rows) <= shown


def _keys(node):
    return list(node) if OmegaConf.is_dict(node) else []
