"""Translate a SQL condition into Arrow expressions: one part may prune row groups, the other is applied to every row.

The condition is in DuckDB's dialect, as `flywheel sql` takes it after WHERE. It uses columns and constants:
comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL. As in Spark and DuckDB, NULL is neither true nor false, and NaN
equals itself and is above every number. A condition that has no exact translation is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from infra.errors import SnapshotRefused

_DIALECT: Final = "duckdb"
_HINT: Final = (
    "Write comparisons of columns with constants, AND, OR, NOT, IN, BETWEEN, LIKE and IS NULL; for "
    "anything else, write the rows to a separate table."
)
_COMPARISONS: Final[dict[type[exp.Expr], str]] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_MIRRORED: Final = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "=": lambda a, b: a == b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
_MAX_VALUES: Final = 1_000
_KNOWN_PARTS: Final = frozenset({"this", "expression", "expressions", "low", "high", "negate"})


@dataclass(frozen=True)
class Filter:
    """A condition in two parts. Their AND is the exact condition; None is true.

    Attributes:
        pushed: may be evaluated on statistics and partition values, and by the scan.
        exact: evaluated on the rows only, never on statistics. It holds the conditions on floating-point columns:
            Parquet's statistics leave NaN out, so a row group of 5 and NaN looks like "all 5".
        columns: the columns that the condition reads.
    """

    pushed: pc.Expression | None
    exact: pc.Expression | None
    columns: frozenset[str]


def parse_filter(where: str, schema: pa.Schema, table: str, partition: Collection[str] = ()) -> Filter:
    """Parse a condition on columns of the schema; an empty text is no condition.

    Args:
        partition: columns whose values the log has, and no file.

    Raises:
        SnapshotRefused: it does not parse, names an unknown column, or has no exact translation. The message quotes
            no constant, because a constant may be a user's words.
    """
    if not where.strip():
        return Filter(None, None, frozenset())
    try:
        statements = sqlglot.parse(f"SELECT 1 WHERE {where}", read=_DIALECT)
        return _translated(statements, _Translator(schema, table, partition))
    except SqlglotError:
        raise SnapshotRefused("the condition is not SQL", table=table, hint=_HINT) from None
    except RecursionError:
        raise SnapshotRefused(
            "the condition is nested too deeply or has too many parts", table=table, hint=_HINT
        ) from None


def _translated(statements: Sequence[exp.Expr | None], translator: _Translator) -> Filter:
    select = statements[0] if len(statements) == 1 else None
    # What is no condition (a second statement, ORDER BY) shows as a further part.
    parts = (
        {name for name, value in select.args.items() if value} if isinstance(select, exp.Select) else set()
    )
    if not isinstance(select, exp.Select) or parts != {"expressions", "where"}:
        raise translator.refused("more than one condition")
    conjuncts = list(_conjuncts(select.args["where"].this))
    translated = [
        (translator.expression(conjunct), translator.is_floating(conjunct)) for conjunct in conjuncts
    ]
    return Filter(
        _all([expression for expression, floating in translated if not floating]),
        _all([expression for expression, floating in translated if floating]),
        frozenset(translator.columns),
    )


def _conjuncts(node: exp.Expr) -> Sequence[exp.Expr]:
    node = node.unnest()
    return [*_conjuncts(node.left), *_conjuncts(node.right)] if isinstance(node, exp.And) else [node]


def _all(expressions: Sequence[pc.Expression]) -> pc.Expression | None:
    return reduce(lambda a, b: a & b, expressions) if expressions else None


class _Translator:
    """Translates a condition; `columns` collects the columns that it names."""

    def __init__(self, schema: pa.Schema, table: str, partition: Collection[str]) -> None:
        self._schema, self._table, self._partition = schema, table, partition
        self.columns: set[str] = set()

    def refused(self, what: str) -> SnapshotRefused:
        return SnapshotRefused(f"the condition contains {what}", table=self._table, hint=_HINT)

    def is_floating(self, node: exp.Expr) -> bool:
        return any(pa.types.is_floating(self._type(self._name(c))) for c in node.find_all(exp.Column))

    def expression(self, node: exp.Expr) -> pc.Expression:
        """The Arrow expression of a condition. Arrow's `&`, `|` and `~` follow SQL's three-valued logic."""
        node = node.unnest()
        # Refuse unknown parts (ESCAPE, SYMMETRIC): ignoring them would change the meaning.
        if unknown := sorted({name for name, value in node.args.items() if value} - _KNOWN_PARTS):
            raise self.refused(f"{node.key.upper()} with {unknown[0]}, which this reader cannot apply")
        if node.args.get("negate"):  # NOT LIKE
            without_negation = node.copy()
            without_negation.set("negate", None)
            return ~self.expression(without_negation)
        if isinstance(node, exp.And):
            return self.expression(node.left) & self.expression(node.right)
        if isinstance(node, exp.Or):
            return self.expression(node.left) | self.expression(node.right)
        if isinstance(node, exp.Not):
            return ~self.expression(node.this)
        if isinstance(node, exp.Boolean):
            return pc.scalar(bool(node.this))
        if isinstance(node, exp.Column):
            if not pa.types.is_boolean(self._type(self._name(node))):
                raise self.refused("a column that is not a condition by itself")
            return pc.field(self._name(node))
        if isinstance(node, exp.Binary) and type(node) in _COMPARISONS:
            return self._comparison(node.left.unnest(), _COMPARISONS[type(node)], node.right.unnest())
        if isinstance(node, exp.Between):
            low, high = node.args["low"].unnest(), node.args["high"].unnest()
            return self._comparison(node.this, ">=", low) & self._comparison(node.this, "<=", high)
        return self._other_condition(node)

    def _other_condition(self, node: exp.Expr) -> pc.Expression:
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return pc.field(self._name(node.this)).is_null()
        if isinstance(node, exp.In) and not node.args.get("query") and node.expressions:
            if len(node.expressions) > _MAX_VALUES:
                raise self.refused(f"a list of more than {_MAX_VALUES} values")
            options = [self._comparison(node.this, "=", option.unnest()) for option in node.expressions]
            return _either(options)
        if isinstance(node, exp.Like):
            return self._like(node)
        raise self.refused(f"{node.key.upper()}, which this reader cannot apply")

    def _like(self, node: exp.Like) -> pc.Expression:
        name, pattern = self._name(node.this), node.expression
        if not pa.types.is_string(self._type(name)) or not isinstance(pattern, exp.Literal):
            raise self.refused("a LIKE that is not of a text column and a constant")
        # DuckDB has no escape character by default, Spark has the backslash: the meaning would depend on the engine.
        if "\\" in pattern.this:
            raise self.refused("a LIKE with a backslash, which engines read differently")
        return pc.match_like(pc.field(name), pattern.this)

    def _comparison(self, left: exp.Expr, operator: str, right: exp.Expr) -> pc.Expression:
        if not isinstance(left, exp.Column):
            left, right, operator = right, left, _MIRRORED[operator]
        name = self._name(left)
        data_type, field = self._type(name), self._field(name)
        if isinstance(right, exp.Column):
            if data_type != self._type(self._name(right)) or pa.types.is_floating(data_type):
                raise self.refused("a comparison of two columns of different or floating-point types")
            return _OPERATORS[operator](field, self._field(self._name(right)))
        if isinstance(right, exp.Null):
            return _OPERATORS[operator](field, pc.scalar(pa.scalar(None, data_type)))
        compared = _OPERATORS[operator](field, pc.scalar(self._constant(right, data_type)))
        # NaN is above every number.
        return (
            compared | pc.is_nan(field)
            if pa.types.is_floating(data_type) and operator in (">", ">=", "<>")
            else compared
        )

    def _name(self, node: exp.Expr) -> str:
        if not isinstance(node, exp.Column) or node.table:
            raise self.refused(f"{node.key.upper()} where a column is expected")
        name = str(node.name)
        matching = [column for column in self._schema.names if column == name] or [
            column for column in self._schema.names if column.lower() == name.lower()
        ]
        if len(matching) != 1:
            raise SnapshotRefused(
                "the condition names a column that the table does not have",
                table=self._table,
                hint=f"Columns are {', '.join(self._schema.names)}; put text constants in single quotes.",
            )
        self.columns.add(matching[0])
        return str(matching[0])

    def _field(self, name: str) -> pc.Expression:
        """The column; of text, cast to what it is: Arrow then compares rows, and not the bounds of a file.

        delta-rs writes text as `string_view` when it deletes or merges, and Arrow cannot compare such bounds.
        """
        field = pc.field(name)
        is_in_files = name not in self._partition
        return field.cast(pa.string()) if is_in_files and pa.types.is_string(self._type(name)) else field

    def _type(self, name: str) -> pa.DataType:
        return self._schema.field(name).type

    def _constant(self, node: exp.Expr, data_type: pa.DataType) -> pa.Scalar:
        negative = isinstance(node, exp.Neg)
        node = node.this if isinstance(node, exp.Neg) else node
        if isinstance(node, exp.Cast) and node.to.this in _DATE_TYPES:
            node = node.this  # DATE '2026-11-20'
        if isinstance(node, exp.Boolean) and pa.types.is_boolean(data_type) and not negative:
            return pa.scalar(bool(node.this))
        if not isinstance(node, exp.Literal):
            raise self.refused(f"{node.key.upper()} where a constant is expected")
        text = f"-{node.this}" if negative else str(node.this)
        try:
            value = (
                _text_value(text, data_type)
                if node.is_string and not negative
                else _number(text, data_type, node)
            )
        except (ValueError, InvalidOperation, OverflowError, pa.ArrowException):
            value = None
        if value is None:
            raise self.refused(f"a constant that does not fit a column of type {data_type}")
        return value


_DATE_TYPES: Final = frozenset(
    {exp.DataType.Type[name] for name in ("DATE", "TIMESTAMP", "TIMESTAMPNTZ", "TIMESTAMPTZ")}
)


def _text_value(text: str, data_type: pa.DataType) -> pa.Scalar | None:
    if pa.types.is_string(data_type):
        return pa.scalar(text)
    if pa.types.is_date(data_type):
        return pa.scalar(date.fromisoformat(text), data_type)
    if pa.types.is_timestamp(data_type):
        timestamp = datetime.fromisoformat(text)
        aware = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
        return pa.scalar(aware if data_type.tz else aware.astimezone(UTC).replace(tzinfo=None), data_type)
    return None


def _number(text: str, data_type: pa.DataType, node: exp.Literal) -> pa.Scalar | None:
    if node.is_string:
        return None
    if pa.types.is_integer(data_type):
        return pa.scalar(int(text), pa.int64()) if text.lstrip("-").isdigit() else pa.scalar(float(text))
    if pa.types.is_floating(data_type):
        return pa.scalar(float(text))
    return pa.scalar(Decimal(text), data_type) if pa.types.is_decimal(data_type) else None


def _either(options: list[pc.Expression]) -> pc.Expression:
    """The OR of all options, as a balanced tree: a chain of a thousand would overflow the stack of its readers."""
    if len(options) == 1:
        return options[0]
    half = len(options) // 2
    return _either(options[:half]) | _either(options[half:])
