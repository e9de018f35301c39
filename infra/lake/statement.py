"""A statement that a user wrote, judged before anything of it runs.

DuckDB parses it; what is allowed is decided on its syntax tree, never on its text. The engine is sealed as well
(`infra.lake.sql`), but a seal is not enough: it leaves the folders of the named tables open for writing, and the Delta
extension brings a function that writes files past it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from infra.contracts import table_names, view_names
from infra.errors import QueryFailed, QueryRefused
from infra.nearest import did_you_mean

if TYPE_CHECKING:
    import duckdb

HINT: Final = "flywheel sql runs one SELECT over tables and views that `flywheel tables` lists."
_TABLE_FUNCTIONS: Final = frozenset(
    {"generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest"}
)
"""Functions in FROM that make rows of their arguments. Others open files, run SQL given as text, or show the engine."""
_TEXT_IS_RUN: Final = frozenset({"json_serialize_plan"})
"""Functions that bind SQL given as text, which nobody judged; binding evaluates constant calls."""
_EXPLAIN: Final = re.compile(r"\s*EXPLAIN\s+(?:ANALYZE\s+)?", re.IGNORECASE)
_Node = Mapping[str, Any]


@dataclass(frozen=True)
class Statement:
    """One harmless statement.

    Attributes:
        text: as the user wrote it.
        select: the same without EXPLAIN.
        names: declared tables and views that it reads, in the order in which they stand.
        functions: names of the functions that it calls, in small letters.
    """

    text: str
    select: str
    names: tuple[str, ...]
    functions: frozenset[str]


def judge(connection: duckdb.DuckDBPyConnection, text: str) -> Statement:
    """Parse a statement and check that it can do nothing but read declared tables and views.

    Args:
        connection: any; it only parses.

    Raises:
        QueryFailed: it is not SQL.
        QueryRefused: it is empty, several statements, or none that only reads; or it reads something else than tables
            and views that are declared.
    """
    if "\0" in text or _is_not_unicode(text):
        raise QueryRefused("the statement is not text in UTF-8", hint=HINT)
    # EXPLAIN has no tree of its own: what it explains is judged in its place.
    explained = _EXPLAIN.match(text)
    select = text[explained.end() :] if explained else text
    tree = _parsed(connection, select)
    ctes = {entry["key"].lower() for node in _nodes(tree) for entry in node.get("cte_map", {}).get("map", ())}
    names: dict[str, None] = {}
    functions: set[str] = set()
    for node in _nodes(tree):
        if "function_name" in node:
            functions.add(str(node["function_name"]).lower())
        match node.get("type"):
            case "BASE_TABLE":
                if (name := _table(node, ctes)) is not None:
                    names[name] = None
            case "TABLE_FUNCTION":
                _check_table_function(node)
            case "SHOW_REF" if "query" not in node:
                raise QueryRefused(
                    "the statement is a SHOW, which lists nothing here", hint="See: flywheel tables"
                )
            case "VALUE_PARAMETER":
                raise QueryRefused(
                    "the statement has a parameter, and nothing gives it a value", hint="Write the value."
                )
    if called := sorted(functions & _TEXT_IS_RUN):
        raise QueryRefused(f"the function {called[0]} may not be used", hint=HINT)
    return Statement(text, select, tuple(names), frozenset(functions))


def _parsed(connection: duckdb.DuckDBPyConnection, text: str) -> _Node:
    quoted = text.replace("'", "''")
    # As a constant: binding a Python value would import pandas, half a second.
    row = connection.execute(
        f"SELECT json_serialize_sql('{quoted}', skip_null := true, skip_empty := true)"
    ).fetchall()[0]
    try:
        tree = json.loads(row[0])
    except RecursionError:
        raise QueryRefused("the statement is nested too deeply", hint=HINT) from None
    if tree["error"]:
        if tree["error_type"] == "parser":
            what = tree["error_message"].splitlines()[0].replace("syntax error", "it cannot be read", 1)
            raise QueryFailed(f"the statement is not SQL: {what}", hint=HINT)
        pivot = "PIVOT" in text.upper()
        raise QueryRefused(
            "the statement is not a SELECT",
            hint="In PIVOT ... ON column, list the values: ON column IN ('a', 'b')." if pivot else HINT,
        )
    statements: list[_Node] = tree.get("statements", [])
    if len(statements) != 1:
        what = "the statement is empty" if not statements else f"there are {len(statements)} statements"
        raise QueryRefused(what, hint=HINT)
    return statements[0]


def _is_not_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _nodes(tree: Any) -> Iterator[_Node]:
    """Every object of the tree, from the first word to the last."""
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, Mapping):
            yield node
            left.extend(reversed(list(node.values())))
        elif isinstance(node, list):
            left.extend(reversed(node))


def _table(node: _Node, ctes: set[str]) -> str | None:
    """The declared table or view that the node names; None if it names a part (WITH) of the statement."""
    parts = [node[part] for part in ("catalog_name", "schema_name", "table_name") if node.get(part)]
    name = ".".join(parts).lower()
    if len(parts) == 1 and name in ctes:
        return None
    if name not in table_names() and name not in view_names():
        known = (*table_names(), *view_names())
        raise QueryRefused(
            f"no table or view {'.'.join(parts)} is declared",
            hint=did_you_mean(name, known, "All of them: flywheel tables"),
        )
    return name


def _check_table_function(node: _Node) -> None:
    name = str(node["function"].get("function_name", "")).lower()
    if name not in _TABLE_FUNCTIONS:
        raise QueryRefused(f"the function {name} may not be used in FROM", hint=HINT)
