"""What is wrong with a database that MLflow is to use: SQLite's file, or one on a server."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.uris import without_secrets
from cnn_anatomy.tracking.addresses import SQLITE
from cnn_anatomy.tracking.artifact_places import follow_the_database
from cnn_anatomy.tracking.store_sentences import deleted_experiment, store_key

CONNECT_SECONDS = 5
LOCK_SECONDS = 1.0
# Of the drivers that can be told how long to wait.
CONNECT_OPTIONS = {
    driver: {"connect_timeout": CONNECT_SECONDS}
    for driver in ("psycopg2", "psycopg", "pymysql", "mysqldb")
}
DRIVER_HINTS = {
    "postgresql": "give postgresql+psycopg2://…, whose driver make .venv/cluster installs",
    "mysql": "give mysql+pymysql://… and install pymysql",
    "mssql": "install pyodbc",
}
REVISION = re.compile(r"^(down_)?revision\b[^=]*= *(.*)$", re.MULTILINE)


class Contents(NamedTuple):
    """What a database holds: the names of its tables, and the rows that a statement returns."""

    tables: set[str]
    rows: Callable[[str], Sequence[Sequence[Any]]]


def check_sqlite(uri: str, studies: Sequence[str]) -> None:
    """Check a store in a file; if its folder was moved, its artifacts are found again.

    Args:
        uri: sqlite:///FILE; a missing file is fine where one can be made.
        studies: the experiments that are to be used.

    Raises:
        ConfigError: if it can't be used.
    """
    path = Path(uri.removeprefix(SQLITE)).resolve()
    if not path.exists():
        _check_new_file(path, uri)
        return
    address = f"{path.as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=LOCK_SECONDS)) as store:

            def rows(sql: str) -> list[tuple[Any, ...]]:
                return store.execute(sql).fetchall()

            tables = {name for (name,) in rows("SELECT name FROM sqlite_master WHERE type='table'")}
            _check_contents(uri, studies, Contents(tables, rows))
            store.rollback()
        if "experiments" in tables:
            follow_the_database(path)
    except sqlite3.Error as error:
        if error.sqlite_errorname.startswith("SQLITE_BUSY"):
            return  # so another process writes to it: it can be used
        raise ConfigError(f"{store_key(uri)} can't be used: {error}; {_advice(error)}") from error


def check_database(uri: str, studies: Sequence[str]) -> None:
    """Check a store on a database server.

    Args:
        uri: its address, as SQLAlchemy reads it.
        studies: the experiments that are to be used.

    Raises:
        ConfigError: if it can't be used.
    """
    import sqlalchemy

    with _readable_errors(uri):
        driver = sqlalchemy.make_url(uri).get_dialect().driver
        options = CONNECT_OPTIONS.get(driver, {})
        engine = sqlalchemy.create_engine(uri, connect_args=options)
        tables = set(sqlalchemy.inspect(engine).get_table_names())
        with engine.connect() as connection:  # it is rolled back at the end

            def rows(sql: str) -> Sequence[Sequence[Any]]:
                result = connection.execute(sqlalchemy.text(sql))
                return result.all() if result.returns_rows else []

            _check_contents(uri, studies, Contents(tables, rows))
        engine.dispose()


@contextmanager
def _readable_errors(uri: str) -> Iterator[None]:
    """Turn what SQLAlchemy and drivers raise into a ConfigError."""
    import sqlalchemy.exc

    try:
        yield
    except ModuleNotFoundError as error:
        hint = DRIVER_HINTS[uri.partition("://")[0].partition("+")[0]]
        raise ConfigError(
            f"{store_key(uri)} needs the Python module {error.name}, which is not installed: {hint}"
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        raise ConfigError(f"{store_key(uri)} can't be used: {said}") from error


def _check_new_file(path: Path, uri: str) -> None:
    """Refuse a place where no file can be made."""
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ConfigError(f"{store_key(uri)} can't be made: {folder} is no folder to write to")


def _advice(error: sqlite3.Error) -> str:
    if error.sqlite_errorname.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return "it is no database, or is damaged: give another file"
    return "give a file that can be written, in a folder that can"


def _check_contents(uri: str, studies: Sequence[str], contents: Contents) -> None:
    """Check the schema, that no experiment was deleted, and that tables can be written.

    The transaction is to be rolled back.
    """
    if all(table.startswith("alembic_") for table in contents.tables):
        return  # a new database, in which MLflow makes its tables
    _check_schema(uri, contents)
    query = "SELECT name, experiment_id FROM experiments WHERE lifecycle_stage = 'deleted'"
    for name, number in contents.rows(query):
        if name in studies:
            raise deleted_experiment(uri, name, number)
    contents.rows("UPDATE alembic_version SET version_num = version_num")


def _check_schema(uri: str, contents: Contents) -> None:
    """Refuse tables that are not those of the MLflow that is installed."""
    ours, newest = _revisions()
    if "experiments" not in contents.tables:
        raise ConfigError(
            f"{store_key(uri)} is the database of another program, with the tables "
            f"{', '.join(sorted(contents.tables)[:3])}: give MLflow one of its own"
        )
    has_revision = "alembic_version" in contents.tables  # MLflow 0 had none
    query = "SELECT version_num FROM alembic_version"
    found = {row[0] for row in contents.rows(query)} if has_revision else set()
    if found == {newest}:
        return
    installed = f"MLflow {version('mlflow')}"
    if found <= ours:
        raise ConfigError(
            f"{store_key(uri)} has the tables of an older MLflow than {installed}, which is "
            "installed: copy the database, then run python -m mlflow db upgrade "
            f"'{without_secrets(uri)}'"
        )
    raise ConfigError(
        f"{store_key(uri)} has the tables of a newer MLflow than {installed}, which is installed: "
        "install that one, or give another store"
    )


@cache
def _revisions() -> tuple[frozenset[str], str]:
    """Return the revisions of MLflow's schema and the newest, without importing MLflow."""
    package = find_spec("mlflow")
    assert package is not None
    assert package.origin is not None
    scripts = (Path(package.origin).parent / "store" / "db_migrations" / "versions").glob("*.py")
    revisions, replaced = set[str](), set[str]()
    for script in scripts:
        for down, value in REVISION.findall(script.read_text(encoding="utf-8")):
            (replaced if down else revisions).update(re.findall(r"\w{6,}", value))
    (newest,) = revisions - replaced
    return frozenset(revisions), newest
