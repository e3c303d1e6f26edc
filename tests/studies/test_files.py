"""The files of experiments/: whatever is in one, it is read, or refused in a sentence."""

import datetime
from typing import Annotated

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import EXPERIMENTS
from cnn_anatomy.studies.claim import DIRECTIONS
from cnn_anatomy.studies.paper import PAPERS, Budget, PaperFile
from cnn_anatomy.studies.premise import Premise
from cnn_anatomy.studies.reading import find_file, read_record, record_names
from cnn_anatomy.studies.record import Record
from cnn_anatomy.studies.study import Claim, StudyFile, Table

TABLE = "question: a\nreading: b\ntable: {rows: [skip], metrics: [macs]}\n"
GOOD = TABLE + "grid: {skip: [none]}\n"
CLAIM = "{id: a1.b, statement: a, source: b, metric: macs, better: lower, treatment: {skip: none}"
PAPER = (
    "title: a\nsource: b\ntrained_on: d\nsetting: c\nvariants: {A: [], B: []}\nmetrics: [macs]\n"
)


def refusal(folder, text, kind=StudyFile):
    """Return the lines that refuse a file, without its name."""
    path = folder / "odd.yaml"
    path.write_bytes(text) if isinstance(text, bytes) else path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read_record(path, kind)
    lines = str(error.value).split("\n")
    for line in lines:
        assert line.startswith("odd.yaml")
        assert "Input should" not in line  # pydantic's own sentences name no value
    return [line.removeprefix("odd.yaml").removeprefix(": ").strip() for line in lines]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "",
            "holds no keys: it takes claims, figures, grid, limits, match, overrides, question, "
            "reading, seeds, settings, table, tune, variants",
        ),
        (b"question: \xff", "isn't UTF-8 text: byte 10 is 0xff"),
        ("question: a\nreading: b\n", "key table is missing"),
        (TABLE, "there is nothing to sweep: give a grid or variants"),
        (TABLE + "grid: {skip: 3}", "grid.skip=3 must be a list"),
        (TABLE + "grid: {skip: []}", "grid.skip is empty: it needs one value or more"),
        (TABLE + "grid: [skip]", "grid=['skip'] must map keys to values"),
        (
            TABLE + "grid: {skip: [2020-01-01]}",
            "grid.skip[0]=datetime.date(2020, 1, 1) must be text, a number, true, false, null or "
            "a list of these",
        ),
        (
            GOOD + "settings: {all: {}}",
            "settings: all is no name of one: letters, digits, - and _, but not all, "
            "nor with tuning at the end",
        ),
        (GOOD + "settings: {a: [seed=1]}", "settings.a=['seed=1'] must map keys to values"),
        (
            GOOD + "settings: {a: {override: [data=digits]}}",
            "key settings.a.override is none of limits, needs, overrides, seeds, tune (did you "
            "mean overrides?)",
        ),
        (GOOD + "seeds: x", "seeds='x' must be a whole number"),
        (GOOD + "seeds: true", "seeds=True must be a whole number"),
        (GOOD + "seeds: 0", "seeds=0 is out of range: it must be at least 1"),
        (GOOD + "limits:", "limits=null must be text"),
        (TABLE + "variants: {a: skip=none}", "variants.a='skip=none' must be a list"),
        (
            TABLE + "variants: {8: [skip]}",
            "variants.8[0]='skip' must be an override, as in key=value",
        ),
        (TABLE + "variants: {no: []}", "variants has the key False, which must be text"),
        (GOOD + "overrides: [3]", "overrides[0]=3 must be text"),
        (
            GOOD + "figures: [{heatmap: 3}]",
            "figures[0]={'heatmap': 3} must be a figure's name, or its name as a key that maps to "
            "its settings",
        ),
        (
            GOOD.replace("]}\ng", "], baseline: skip=non}\ng"),
            "table.baseline=skip=non is none of skip=none (did you mean skip=none?)",
        ),
        (
            GOOD.replace("metrics", "metrcs"),
            "key table.metrcs is none of baseline, metrics, rows (did you mean metrics?)",
        ),
        (
            GOOD + "name: x",
            "key name is none of claims, figures, grid, limits, match, overrides, question, "
            "reading, seeds, settings, table, tune, variants",
        ),
        (
            GOOD + "3: x",
            "key 3 is none of claims, figures, grid, limits, match, overrides, question, "
            "reading, seeds, settings, table, tune, variants",
        ),
        (GOOD + "claims: [3]", "claims[0]=3 must map keys to values"),
        (
            GOOD + f"claims: [{CLAIM}, control: {{}}, matters: 1}}]",
            "claims[a1.b].control is empty: it needs one value or more",
        ),
        (
            GOOD + f"claims: [{CLAIM}, control: none, matters: 1}}]",
            "claims[a1.b].control='none' must be a finite number, or map params to values",
        ),
        (GOOD + f"claims: [{CLAIM}, matters: 1}}]", "key claims[a1.b].control is missing"),
        (
            GOOD + f"claims: [{CLAIM.replace('lower', 'lowr')}, control: 0, matters: 1}}]",
            "claims[a1.b].better='lowr' is none of higher, lower, nearer zero "
            "(did you mean lower?)",
        ),
        (
            GOOD + f"claims: [{CLAIM}, control: 0, matters: -1}}]",
            "claims[a1.b].matters=-1 is out of range: it must be at least 0",
        ),
        (
            GOOD + f"claims: [{CLAIM}, control: 0, matters: 1e-3}}]",
            "claims[a1.b].matters='1e-3' must be a number",
        ),
        (
            GOOD + f"claims: [{CLAIM}, control: 0, matters: .nan}}]",
            "claims[a1.b].matters=nan must be a finite number",
        ),
        (
            GOOD + f"claims: [{CLAIM}, control: 0, matters: 1, premises: [{{metric: macs}}]}}]",
            "claims[a1.b].premises[0]={'metric': 'macs'} must have exactly one of at_least, "
            "at_most, within",
        ),
        (
            GOOD + f"claims: [{CLAIM}, control: 0, matters: 1, "
            "premises: [{metric: macs, of: controls, at_least: 1}]}]",
            "claims[a1.b].premises[0].of='controls' is none of treatment, control, between "
            "(did you mean control?)",
        ),
        (
            GOOD + f"claims: [{CLAIM}, control: {{a: 1}}, matters: 1, through: []}}]",
            "claims[a1.b].through is empty: it needs one value or more",
        ),
        (
            GOOD + f"claims: [{CLAIM}, control: {{a: 1}}, matters: 1, "
            "than: {treatment: {a: 1}}}]",
            "key claims[a1.b].than.control is missing",
        ),
        (
            GOOD + f"claims: [{CLAIM}, control: {{a: 1}}, matters: 1, paired: 3}}]",
            "claims[a1.b].paired=3 must be true or false",
        ),
        (GOOD + f"claims: {[*[yaml.safe_load(CLAIM + ', control: 0, matters: 1}')] * 2]}",
         "claims: several have the id a1.b"),
    ],
)  # fmt: skip
def test_a_malformed_study_is_refused_in_one_sentence(tmp_path, text, sentence):
    assert refusal(tmp_path, text) == [sentence]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("published: {}\nbudgets: {smoke: {data: []}}", "key budgets.paper is missing"),
        ("published: {}\nbudgets: {paper: {}}", "key budgets.paper.data is missing"),
        (
            "published: {error: {A: 1, C: 2}}\nbudgets: {paper: {data: []}}",
            "published.error: C is none of A, B",
        ),
        (
            "published: {error: {A: low}}\nbudgets: {paper: {data: []}}",
            "published.error.A='low' must be a number",
        ),
        (
            "published: {}\napproximate: [a]\nbudgets: {paper: {data: []}}",
            "approximate: a is none of A, B",
        ),
        (
            "published: {}\nbudgets: {paper: {data: [], variants: [AA]}}",
            "budgets.paper.variants: AA is none of A, B (did you mean A?)",
        ),
        (
            "published: {}\nbaseline: A\nbudgets: {paper: {data: [], variants: [B]}}",
            "budgets.paper.variants lacks the baseline, A",
        ),
    ],
)
def test_a_malformed_paper_is_refused_in_one_sentence(tmp_path, text, sentence):
    assert refusal(tmp_path, PAPER + text, PaperFile) == [sentence]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("question: [", "line 1, column 12"),
        (GOOD + "seeds: 3\nseeds: 4", "key seeds is given twice"),
        (GOOD + "seeds: 2020-13-01", "month must be in 1..12"),
        (GOOD + "seeds: \x07", "special characters are not allowed"),
    ],
)
def test_invalid_yaml_is_refused_in_one_sentence(tmp_path, text, part):
    (sentence,) = refusal(tmp_path, text)
    assert sentence.startswith("isn't valid YAML: ")
    assert part in sentence


def test_every_mistake_has_its_line(tmp_path):
    assert refusal(tmp_path, "qestion: a\ntable: {rows: [skip], metrics: skip}\nseeds: 0") == [
        "key reading is missing",
        "table.metrics='skip' must be a list",
        "seeds=0 is out of range: it must be at least 1",
        "key qestion is none of claims, figures, grid, limits, match, overrides, question, "
        "reading, seeds, settings, table, tune, variants (did you mean question?)",
    ]


def test_a_bug_in_a_validator_is_a_traceback(tmp_path):
    def broken(value: str) -> str:
        names: dict[str, str] = {}
        return names[value]

    def misjudging(value: str) -> str:
        raise ValueError("ours")

    for validator, bug in ((broken, KeyError), (misjudging, ValueError)):

        class Odd(Record):
            text: Annotated[str, AfterValidator(validator)]

        (tmp_path / "odd.yaml").write_text("text: a\n")
        with pytest.raises(bug) as error:
            read_record(tmp_path / "odd.yaml", Odd)
        assert type(error.value) is bug
        assert error.traceback[-1].name == validator.__name__


def test_what_an_editor_leaves_is_no_record(tmp_path):
    for name in (".foo.yaml.swp", "foo.yaml~", "#foo.yaml#", "foo (copy).yaml", ".foo.yaml"):
        (tmp_path / name).write_text(GOOD)
    (tmp_path / ".#foo.yaml").symlink_to("user@host.1")
    (tmp_path / "foo.yaml").write_text(GOOD)
    assert record_names(tmp_path) == ["foo", "foo (copy)"]
    assert read_record(find_file(tmp_path, "study", "foo (copy)"), StudyFile).question == "a"


FILES = [
    *((path, StudyFile) for path in sorted(EXPERIMENTS.glob("*.yaml"))),
    *((path, PaperFile) for path in sorted(PAPERS.glob("*.yaml"))),
]
MAY_BE_EMPTY = {"overrides", "variants", "claims", "premises", "figures", "approximate", "data"}
DAY = datetime.date(2020, 1, 1)  # the one kind of YAML's values that no key takes


def records(content, kind):
    """Yield each record of a file, its keys with values, and its kind."""
    yield content, kind
    if kind is StudyFile:
        yield content["table"], Table
        for claim in content.get("claims", []):
            yield claim, Claim
            yield from ((premise, Premise) for premise in claim.get("premises", []))
    else:
        yield from ((budget, Budget) for budget in content["budgets"].values())


def nodes(content, path=()):
    """Yield where each value of a file is, but for a figure's settings, which may be anything."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield (*path, key), value
        if isinstance(value, dict | list) and path[:1] != ("figures",):
            yield from nodes(value, (*path, key))


def misspelt(draw, key, known):
    at = draw(st.integers(0, len(key) - 1))
    word = draw(st.sampled_from([key[:at] + key[at + 1 :], key[:at] + key[at] + key[at:]]))
    return "zzz" if word in known or not word else word


@st.composite
def mutated(draw):
    """Return the kind of a file, its content with one mistake, and the key that has it."""
    path, kind = draw(st.sampled_from(FILES))
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    mutation = draw(st.sampled_from(["drop", "misspell", "wrong type", "empty"]))
    if mutation in ("drop", "misspell"):
        record, of = draw(st.sampled_from(list(records(content, kind))))
        known = of.model_fields
        keys = [k for k in record if mutation == "misspell" or known[k].is_required()]
        key = draw(st.sampled_from(keys))
        value = record.pop(key)
        if mutation == "misspell":
            key = misspelt(draw, key, known)
            record[key] = value
        return kind, content, key
    where = draw(
        st.sampled_from(
            [
                where
                for where, value in nodes(content)
                if mutation == "wrong type"
                or (isinstance(value, list) and not MAY_BE_EMPTY & set(where))
            ]
        )
    )
    *parents, last = where
    parent = content
    for part in parents:
        parent = parent[part]
    parent[last] = [] if mutation == "empty" else DAY
    return kind, content, next(part for part in reversed(where) if isinstance(part, str))


@given(mutated())
def test_a_mistake_in_a_real_file_is_refused_by_file_and_key(tmp_path_factory, mutation):
    kind, content, key = mutation
    text = yaml.safe_dump(content, sort_keys=False)
    lines = refusal(tmp_path_factory.getbasetemp(), text, kind)
    assert any(key in line for line in lines)
    assert len(lines) == 1 or (len(lines) == 2 and "is missing" in lines[0])  # misspelt past help


TEXTS = st.text(max_size=8)


def junk():
    """Return a strategy of all that YAML can hold."""
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.dates()
    keys = TEXTS | st.integers() | st.booleans() | st.none() | st.dates()
    return st.recursive(scalars, lambda x: st.lists(x) | st.dictionaries(keys, x), max_leaves=5)


@settings(max_examples=60)
@given(st.data(), st.sampled_from(FILES))
def test_whatever_a_key_holds_is_read_or_refused(tmp_path_factory, data, file):
    path, kind = file
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    record, of = data.draw(st.sampled_from(list(records(content, kind))))
    record[data.draw(st.sampled_from(sorted(of.model_fields)))] = data.draw(junk())
    read_or_refused(tmp_path_factory, yaml.safe_dump(content, sort_keys=False).encode(), kind)


@settings(max_examples=60)
@given(st.binary() | TEXTS.map(str.encode) | junk().map(yaml.safe_dump).map(str.encode))
def test_whatever_a_file_holds_is_read_or_refused(tmp_path_factory, content):
    read_or_refused(tmp_path_factory, content, StudyFile)


def read_or_refused(tmp_path_factory, content, kind):
    path = tmp_path_factory.getbasetemp() / "odd.yaml"
    path.write_bytes(content)
    try:
        answer = read_record(path, kind)
    except ConfigError as error:
        answer = str(error)
    if isinstance(answer, str):
        assert all(line.startswith("odd.yaml") for line in answer.split("\n"))
    else:
        assert isinstance(answer, kind)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
SETTINGS = st.recursive(SCALARS, lambda x: st.lists(x, max_size=2), max_leaves=3)
NAMES = st.lists(TEXTS, min_size=1, max_size=3)
PARAMS = st.dictionaries(TEXTS, SETTINGS, min_size=1, max_size=2)
OVERRIDES = st.lists(TEXTS.map(lambda x: f"{x}=1") | TEXTS.map(lambda x: f"~{x}"))
VARIANTS = st.dictionaries(TEXTS, OVERRIDES, min_size=1, max_size=2)
NUMBERS = st.floats(0, allow_infinity=False) | st.integers(0, 2**53)
FIGURE_SETTINGS = st.dictionaries(TEXTS, SETTINGS, min_size=1)
FIGURES = st.lists(TEXTS | st.dictionaries(TEXTS, FIGURE_SETTINGS, min_size=1, max_size=1))


def record_of(optional=None, **required):
    return st.fixed_dictionaries(required, optional=optional or {})


PREMISES = st.lists(
    record_of({"of": st.sampled_from(["treatment", "control"])}, metric=TEXTS, at_least=NUMBERS)
    | record_of(metric=TEXTS, within=NUMBERS),
    max_size=2,
)
CLAIMS = st.lists(
    record_of(
        {"scope": TEXTS, "paired": st.booleans(), "premises": PREMISES},
        **dict.fromkeys(("statement", "source", "metric"), TEXTS),
        id=TEXTS.filter(bool),
        better=st.sampled_from(sorted(DIRECTIONS)),
        treatment=PARAMS,
        control=PARAMS | NUMBERS,
        matters=NUMBERS,
    ),
    max_size=2,
    unique_by=lambda claim: claim["id"],
)
STUDIES = record_of(
    {
        "grid": st.dictionaries(TEXTS, st.lists(SETTINGS, min_size=1, max_size=2), max_size=2),
        "overrides": OVERRIDES,
        "seeds": st.integers(1),
        "claims": CLAIMS,
        "figures": FIGURES,
        "limits": TEXTS,
    },
    question=TEXTS,
    reading=TEXTS,
    table=record_of({"baseline": st.none()}, rows=NAMES, metrics=NAMES),
    variants=VARIANTS,
)
BUDGETS = record_of(
    {"overrides": OVERRIDES, "seeds": st.integers(1), "limits": TEXTS}, data=OVERRIDES
)
PAPER_FILES = record_of(
    {"overrides": OVERRIDES, "baseline": st.none(), "figures": FIGURES},
    **dict.fromkeys(("title", "source", "trained_on", "setting"), TEXTS),
    variants=VARIANTS,
    metrics=NAMES,
    published=st.dictionaries(TEXTS, st.just({}), max_size=2),
    budgets=st.fixed_dictionaries({"paper": BUDGETS}, optional={"smoke": BUDGETS}),
)


@settings(max_examples=60)
@given(STUDIES.map(lambda x: (StudyFile, x)) | PAPER_FILES.map(lambda x: (PaperFile, x)))
def test_any_valid_file_is_read_and_written_without_loss(tmp_path_factory, file):
    kind, content = file
    path = tmp_path_factory.getbasetemp() / "valid.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    round_trip(read_record(path, kind), path, content)


@pytest.mark.parametrize(("path", "kind"), FILES, ids=lambda x: getattr(x, "stem", ""))
def test_every_real_file_is_read_and_written_without_loss(tmp_path, path, kind):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    round_trip(read_record(path, kind), tmp_path / "again.yaml", content)


def round_trip(record, path, content):
    written = record.model_dump(mode="json", exclude_unset=True)
    assert written == content
    path.write_text(yaml.safe_dump(written, sort_keys=False), encoding="utf-8")
    assert read_record(path, type(record)) == record
