"""Names of classes and functions are checked from source, and refused only where that shows all."""

import pytest

from cnn_anatomy.config.code_names import name_mistakes

MODULE = """
try:
    from fast import Pool
except ImportError:
    class Pool: ...

Half, *others = make()
"""
DYNAMIC = "def __getattr__(name): return object"


@pytest.fixture(autouse=True)
def package(tmp_path, monkeypatch):
    """Put a package of the user's own, and a folder without modules, on the path."""
    folder = tmp_path / "named_code"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "layers.py").write_text(MODULE)
    (folder / "dynamic.py").write_text(DYNAMIC)
    (folder / "kernel.cpython-311-x86_64-linux-gnu.so").write_text("")
    (tmp_path / "unnamed_code").mkdir()
    monkeypatch.syspath_prepend(tmp_path)


def mistakes(target):
    return list(name_mistakes("pooling", {"_target_": target}))


@pytest.mark.parametrize(
    "target",
    [
        "cnn_anatomy.networks.Stage",
        "cnn_anatomy.networks.pooling.Max",
        "named_code.layers.Pool",
        "named_code.layers.Half",
        "named_code.layers.others",
        "named_code.dynamic.Anything",
        "named_code.kernel.Pool",
        "torch.nn.NotRead",
        "math.sqrt",
        "builtins.dict",
        "unnamed_code.layers.Pool",
    ],
)
def test_what_may_be_there_is_accepted(target):
    assert mistakes(target) == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("named_code.layers.Pol", "named_code.layers has no class or function Pol"),
        ("named_code.layer.Pool", "named_code has no module layer (did you mean layers?)"),
        ("nowhere.Pool", "as no folder on Python's path has nowhere"),
        ("Pool", "names no class or function"),
    ],
)
def test_what_is_not_there_is_refused(target, said):
    (mistake,) = mistakes(target)
    assert mistake.startswith(f"pooling._target_={target} ")
    assert said in mistake
