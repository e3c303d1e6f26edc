"""The normal form of code: what it computes, without prose and without the names of files.

Every top-level statement becomes a text. The texts stay the same when a docstring, a comment or a
message is reworded, an annotation or an import changes, or a definition or a file moves. They
differ when any other constant, operator or name changes.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from cnn_anatomy.core.hashes import short_hash

# Calls of these only print; like the arguments of an exception, they are no part of the result.
MESSAGE_CALLS = {
    *("print", "warnings.warn", "logging.debug", "logging.info", "logging.warning"),
    *("logging.error", "logging.exception", "logging.critical", "logging.log"),
}
IGNORED_FIELDS = {"ctx", "annotation", "returns", "type_comment", "kind", "type_params"}
REFERENCE = re.compile("\0([^\0:]+):([^\0]+)\0")  # to a definition of the package: module, name
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def normalise(trees: Mapping[str, ast.Module], modules: Iterable[str]) -> list[str]:
    """Return the texts of all top-level statements that count in `trees` (by module name).

    `modules` names all modules of the package. Where a text refers to a definition, it has the
    definition's name, and a hash of its text if other modules define the same name.
    """
    names = {*modules, *trees}
    sources = {name: ModuleText(name, tree, names) for name, tree in trees.items()}
    statements = [(m, *pair) for m, source in sources.items() for pair in source.statements()]
    definitions: dict[tuple[str, str], str] = {}
    for module, defined, text in statements:
        for name in defined:
            definitions[module, name] = definitions.get((module, name), "") + text
    counts = Counter(name for _, name in definitions)

    def written(reference: re.Match[str]) -> str:
        module, name = reference.groups()
        if counts[name] < 2:
            return name
        while module in sources and (module, name) not in definitions:  # but imported there
            if name not in sources[module].imports:
                break
            module, _, name = sources[module].imports[name].rpartition(".")
        text = REFERENCE.sub(r"\2", definitions.get((module, name), ""))
        return f"{name}@{short_hash(text)}"

    return [REFERENCE.sub(written, text) for _, _, text in statements]


@dataclass
class ModuleText:
    """Writes the statements of a module as texts.

    Args:
        name: the module's dotted name.
        tree: its syntax.
        modules: the dotted names of all modules of its package.
    """

    name: str
    tree: ast.Module
    modules: set[str]

    def __post_init__(self) -> None:
        is_package = any(name.startswith(f"{self.name}.") for name in self.modules)
        self.imports = dict(imports(self.tree, self.name, is_package))
        self.globals = _bound_by_all(self.tree.body)
        self.locals: frozenset[str] = frozenset()

    def statements(self) -> Iterator[tuple[set[str], str]]:
        """Yield the names that a top-level statement defines and its text, if it counts."""
        for statement in _counting(self.tree.body):
            yield _bound(statement, nested=False), self.text(statement)

    def text(self, node: object) -> str:
        """Return the text of a syntax node, a list of nodes or a plain value."""
        match node:
            case list():
                return f"[{','.join(map(self.text, node))}]"
            case ast.Name():
                return self._reference(node.id, [])
            case ast.Attribute():
                return self._attribute(node)
            case ast.Constant():
                return repr(node.value)
            case ast.Raise(exc=ast.Call(func=raised)):
                return f"raise {self.text(raised)}"
            case ast.Call(func=ast.Name("ConfigError") | ast.Attribute(attr="ConfigError")):
                return f"{self.text(node.func)}()"
            case ast.Assert():
                return f"assert {self.text(node.test)}"
            case ast.AnnAssign(value=None):
                return f"field {self.text(node.target)}"
            case ast.AnnAssign():
                return f"Assign({self.text([node.target])},{self.text(node.value)})"
            case ast.ClassDef():
                return self._class(node)
            case _ if isinstance(node, FUNCTIONS + COMPREHENSIONS):
                return self._within(_bound(node, nested=True), partial(self._fields, node))
            case ast.AST():
                return self._fields(node)
        return repr(node)

    def _fields(self, node: ast.AST) -> str:
        values = []
        for field, value in ast.iter_fields(node):
            if field in ("body", "orelse", "finalbody") and isinstance(value, list):
                value = list(_counting(value))
            if field not in IGNORED_FIELDS:
                values.append(self.text(value))
        return f"{type(node).__name__}({','.join(values)})"

    def _within(self, names: set[str], write: Callable[[], str]) -> str:
        """Return the text that `write` returns where `names` are local."""
        outer, self.locals = self.locals, self.locals | names
        text = write()
        self.locals = outer
        return text

    def _class(self, node: ast.ClassDef) -> str:
        """Return a class's text; names bound in its body are local to that, not to its methods."""
        head = [node.name, self.text(node.decorator_list), self.text(node.bases)]
        names = _bound_by_all(node.body)
        body = [
            self._within(set() if isinstance(s, FUNCTIONS) else names, partial(self.text, s))
            for s in _counting(node.body, fields=True)
        ]
        return f"ClassDef({','.join([*head, self.text(node.keywords), *body])})"

    def _attribute(self, node: ast.Attribute) -> str:
        """Return an attribute's text, that of `module.name` as if `name` were imported."""
        attributes = [node.attr]
        value = node.value
        while isinstance(value, ast.Attribute):
            attributes.insert(0, value.attr)
            value = value.value
        if isinstance(value, ast.Name):
            return self._reference(value.id, attributes)
        return ".".join([self.text(value), *attributes])

    def _reference(self, name: str, attributes: list[str]) -> str:
        """Return the text of `name.attributes`, however `name` was imported."""
        if name in self.locals or name not in {*self.imports, *self.globals}:
            return ".".join([name, *attributes])
        if name not in self.imports:
            return ".".join([f"\0{self.name}:{name}\0", *attributes])
        parts = [*self.imports[name].split("."), *attributes]
        if parts[0] != self.name.partition(".")[0]:
            return ".".join(parts)
        length = max(k for k in range(1, len(parts) + 1) if ".".join(parts[:k]) in self.modules)
        if length == len(parts):
            return "module"
        reference = f"\0{'.'.join(parts[:length])}:{parts[length]}\0"
        return ".".join([reference, *parts[length + 1 :]])


def _counting(body: list[ast.stmt], *, fields: bool = False) -> Iterator[ast.stmt]:
    """Yield the statements that count; `fields` keeps the bare declarations of a dataclass."""
    for statement in body:
        match statement:
            case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Expr(value=ast.Constant()):
                continue
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                continue
            case ast.Assign(value=ast.Subscript(value=ast.Name(id="Annotated"))):
                continue
            case ast.AnnAssign(value=None) if not fields:
                continue
            case ast.Expr(value=ast.Call(func=called)) if ast.unparse(called) in MESSAGE_CALLS:
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                yield from _counting(statement.orelse)
            case _:
                yield statement


def imports(tree: ast.Module, module: str, is_package: bool) -> Iterator[tuple[str, str]]:
    """Yield every imported name and the full dotted name that it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)
        elif isinstance(node, ast.ImportFrom):
            levels = node.level - is_package
            base = module.split(".")[: -levels or None] if node.level else []
            for alias in node.names:
                path = [*base, *filter(None, [node.module]), alias.name]
                yield alias.asname or alias.name, ".".join(path)


def _bound_by_all(body: list[ast.stmt]) -> set[str]:
    """Return the names that statements bind in their own scope."""
    return {name for statement in body for name in _bound(statement, nested=False)}


def _bound(node: ast.AST, *, nested: bool) -> set[str]:
    """Return the names that a statement or expression binds, in `nested` scopes of its own, too."""
    names: set[str] = set()
    todo: list[ast.AST] = [node]
    while todo:
        part = todo.pop()
        match part:
            case ast.Name(ctx=ast.Store()):
                names.add(part.id)
            case ast.arg():
                names.add(part.arg)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                names.add(name)
            case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                names.add(name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if part is not node:
                names.add(part.name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if not nested:
                return {part.name}
        scope = isinstance(part, (*FUNCTIONS, *COMPREHENSIONS, ast.ClassDef))
        if nested or not scope:
            todo += ast.iter_child_nodes(part)
    return names
