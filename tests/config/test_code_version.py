"""The hash of the code follows what computes, and neither prose nor layout."""

import ast
import builtins
import copy
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnn_anatomy.config.code_version import (
    NUMERIC_PARTS,
    PACKAGE,
    code_version,
    dotted_name,
    hash_code,
    parsed_parts,
    python_files,
)
from cnn_anatomy.config.normal_form import MESSAGE_CALLS, ModuleText, normalise

TREES = parsed_parts(PACKAGE)
MODULES = {dotted_name(file, PACKAGE) for file in python_files(PACKAGE)}
FILES = [module for module in TREES if not (PACKAGE.parent / module.replace(".", "/")).is_dir()]
DEFINITIONS = [
    (module, statement.name)
    for module, tree in TREES.items()
    for statement in tree.body
    if isinstance(statement, ast.FunctionDef | ast.ClassDef)
]


def texts(trees):
    return sorted(normalise(trees, MODULES))


def test_every_numeric_part_exists():
    assert all(list(python_files(PACKAGE / part)) for part in NUMERIC_PARTS)
    assert all((PACKAGE / part).exists() for part in NUMERIC_PARTS)


# What changes a result, one change at a time

OTHER_OPERATOR = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Not: ast.UAdd,
    ast.USub: ast.UAdd,
    ast.Lt: ast.LtE,
    ast.Gt: ast.GtE,
    ast.Eq: ast.NotEq,
}


def is_message(node):
    """Return whether a node only tells people something, or says where a name comes from."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Raise() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Call(func=ast.Name(id="ConfigError")):
            return True
        case ast.Expr(value=ast.Call(func=called)):
            return ast.unparse(called) in MESSAGE_CALLS
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.Assign(value=ast.Subscript(value=ast.Name(id="Annotated"))):
            return True
    return False


def changeable(node):
    """Yield every constant and operator below a node that is in no message or annotation."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns") or (isinstance(node, ast.Assert) and field == "msg"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or is_message(child):
                continue
            if isinstance(child, ast.Constant):
                yield child, "value", other_value(child.value)
            for name in ("op", "ops"):
                if hasattr(child, name):
                    yield child, name, other_operator(getattr(child, name))
            yield from changeable(child)


def other_value(value):
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + " "
        case bytes():
            return value + b" "
        case None | builtins.Ellipsis:
            return 0
    raise AssertionError(f"no other value of {value!r} is known here")


def other_operator(operator):
    if isinstance(operator, list):
        return [other_operator(operator[0]), *operator[1:]]
    return OTHER_OPERATOR.get(type(operator), ast.Add)()


@pytest.mark.parametrize("module", TREES)
def test_any_other_constant_or_operator_changes_the_text(module):
    tree = copy.deepcopy(TREES[module])
    writer = ModuleText(module, tree, MODULES)
    for statement in tree.body:
        if is_message(statement):
            continue
        before = writer.text(statement)
        for node, field, other in changeable(statement):
            value = getattr(node, field)
            setattr(node, field, other)
            assert writer.text(statement) != before, f"{module}:{node.lineno}: {value!r}"
            setattr(node, field, value)
        assert writer.text(statement) == before


def test_the_changes_are_many():
    assert sum(1 for tree in TREES.values() for _ in changeable(tree)) > 1500


# What changes no result, everywhere at once


class Reworded(ast.NodeTransformer):
    """Rewords every docstring, message and annotation; gives what has none one."""

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.returns = ast.Name("Something")
        return self.documented(node)

    def visit_ClassDef(self, node):
        return self.documented(self.generic_visit(node))

    def visit_arg(self, node):
        return ast.arg(node.arg, ast.Name("Anything"))

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        node.annotation = ast.Name("Anything")
        return node

    def visit_Raise(self, node):
        if isinstance(node.exc, ast.Call):
            node.exc.args = [ast.Constant("It went wrong")]
            node.cause = None
        return node

    def visit_Assert(self, node):
        node.msg = ast.Constant("It went wrong")
        return node

    def documented(self, node):
        if ast.get_docstring(node):
            node.body.pop(0)
        node.body.insert(0, ast.Expr(ast.Constant("Other words.")))
        node.body.insert(1, ast.parse("print('Other words')").body[0])
        return node


def test_rewording_changes_nothing():
    reworded = {m: Reworded().visit(copy.deepcopy(tree)) for m, tree in TREES.items()}
    assert texts(reworded) == texts(TREES)


def test_the_order_and_form_of_imports_change_nothing():
    def reordered(tree):
        body = [s for s in tree.body if not isinstance(s, ast.Import | ast.ImportFrom)]
        imports = [s for s in tree.body if isinstance(s, ast.Import | ast.ImportFrom)]
        return ast.Module([ast.If(ast.Name("TYPE_CHECKING"), imports[::-1], []), *body], [])

    assert texts({m: reordered(tree) for m, tree in TREES.items()}) == texts(TREES)


def test_comments_and_layout_of_lines_change_nothing():
    plain = {m: ast.parse(ast.unparse(tree)) for m, tree in TREES.items()}
    assert texts(plain) == texts(TREES)


@pytest.mark.parametrize(
    "source",
    [
        "import torch.nn.functional as F\ny = F.relu(2)",
        "from torch.nn import functional\ny = functional.relu(2)",
        "from torch.nn.functional import relu as r\ny = r(2)",
    ],
)
def test_a_name_counts_as_what_it_was_imported_from(source):
    plain = {"package.a": ast.parse("import torch\ny = torch.nn.functional.relu(2)")}
    assert texts({"package.a": ast.parse(source)}) == texts(plain)


def test_a_local_name_is_not_the_imported_one():
    source = "from torch import nn as layers\ndef f(layers): return layers.x"
    assert texts({"p.a": ast.parse(source)}) == texts(
        {"p.a": ast.parse("def f(layers): return layers.x")}
    )


def test_two_definitions_of_one_name_are_told_apart():
    a, b = "def _f(): return 1\ndef g(): return _f()", "def _f(): return 2\ndef h(): return _f()"
    swapped = a.replace("1", "2"), b.replace("2", "1")
    one, other = ({"p.a": ast.parse(x), "p.b": ast.parse(y)} for x, y in ((a, b), swapped))
    assert texts(one) != texts(other)
    users = [{**one, "p.c": ast.parse(f"from p.{m} import _f\nx = _f()")} for m in ("a", "b")]
    assert texts(users[0]) != texts(users[1])


def test_a_definition_outside_is_told_apart_from_those_of_its_name():
    defined = {"p.a": ast.parse("def f(): return 1"), "p.b": ast.parse("def f(): return 2")}
    users = [ast.parse(f"from p.{module} import f\ny = f()") for module in ("a", "b", "outside")]
    versions = [sorted(normalise({**defined, "p.c": u}, {"p.outside"})) for u in users]
    assert versions[0] != versions[1] != versions[2] != versions[0]


# Moves, in a copy of the package


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(PACKAGE, tmp_path_factory.mktemp("copy") / PACKAGE.name, ignore=ignored)


MOVES = settings(
    max_examples=8,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FOLDERS = st.sampled_from(["networks", "data", "probes", "training"])


def test_a_copy_has_the_same_hash(package):
    assert hash_code(package) == code_version()


@MOVES
@given(definition=st.sampled_from(DEFINITIONS), folder=FOLDERS)
def test_moving_a_definition_changes_nothing(package, definition, folder):
    module, name = definition
    old, new = path_of(package, module), package / folder / "elsewhere.py"
    source = old.read_text()
    tree = ast.parse(source)
    imports = [s for s in tree.body if isinstance(s, ast.Import | ast.ImportFrom)]
    [moved] = [s for s in tree.body if getattr(s, "name", None) == name]
    others = [s.name for s in tree.body if hasattr(s, "name") and s is not moved]
    others += [t.id for s in tree.body if isinstance(s, ast.Assign) for t in s.targets]
    siblings = [ast.parse(f"from {module} import {other}").body[0] for other in others]
    back = ast.parse(f"from {PACKAGE.name}.{folder}.elsewhere import {name}").body[0]
    tree.body[tree.body.index(moved)] = back
    try:
        new.write_text(ast.unparse(ast.Module([*imports, *siblings, moved], [])))
        old.write_text(ast.unparse(tree))
        assert hash_code(package) == code_version()
    finally:
        old.write_text(source)
        new.unlink()


@MOVES
@given(module=st.sampled_from(FILES), folder=FOLDERS)
def test_moving_a_module_changes_nothing(package, module, folder):
    old, new = path_of(package, module), package / folder / "renamed.py"
    sources = {file: file.read_text() for file in python_files(package)}
    parts = [part for part in NUMERIC_PARTS if package / part != old]
    try:
        for file, source in sources.items():
            if module.rpartition(".")[2] in source:
                redirected = Redirected(module, f"{PACKAGE.name}.{folder}.renamed")
                file.write_text(ast.unparse(redirected.visit(ast.parse(source))))
        old.rename(new)
        assert hash_code(package, parts) == code_version()
    finally:
        new.rename(old)
        for file, source in sources.items():
            file.write_text(source)


class Redirected(ast.NodeTransformer):
    """Imports one module under another name, which is what its move takes elsewhere."""

    def __init__(self, old, new):
        self.old, self.new = old, new

    def visit_ImportFrom(self, node):
        if node.module == self.old:
            node.module = self.new
        parent, _, name = self.old.rpartition(".")
        if node.module != parent or name not in [alias.name for alias in node.names]:
            return node
        node.names = [alias for alias in node.names if alias.name != name]
        folder, _, other = self.new.rpartition(".")
        moved = ast.ImportFrom(folder, [ast.alias(other, name)], 0)
        return [moved, node] if node.names else moved


def test_what_is_changed_in_a_copy_changes_its_hash(package):
    file = package / "networks" / "pooling.py"
    source = file.read_text()
    try:
        file.write_text(source.replace("F.avg_pool2d(x, 2)", "F.avg_pool2d(x, 3)"))
        assert hash_code(package) != code_version()
    finally:
        file.write_text(source)


def path_of(package, module):
    """Return the file of a module."""
    path = package.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_what_an_editor_leaves_is_no_code(tmp_path):
    (tmp_path / "part.py").write_text("A = 1\n", encoding="utf-8")
    version = hash_code(tmp_path, ["."])
    (tmp_path / ".#part.py").symlink_to("user@host.1")  # an Emacs lock
    (tmp_path / "part.py~").write_text("A = 2\n", encoding="utf-8")
    (tmp_path / ".part.py.swp").write_bytes(b"b0VIM")
    assert hash_code(tmp_path, ["."]) == version
