"""The contract of each table, read from its DDL in `schemas/<stage>/<table>.sql`.

The DDL is the only place where a column, its type, comment, PII class, key, partitioning, CHECKs, retention and
write mode are stated. Everything else (migration, the write function, the data dictionary, the tests) asks here.
A parsed contract is kept in the user's cache under the hash of its DDL, so that most processes never parse SQL.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from infra.cache import user_cache
from infra.errors import ContractError, JobUnknown
from infra.nearest import did_you_mean
from infra.storage import write_file

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql.types import StructType

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
EXPECTATIONS = SCHEMAS.parent / "expectations"
# Part of the name of a cached contract: raise it when the form of `Contract` changes.
_CACHE_FORMAT = 1
_LIST = "All of them: flywheel tables"

WriteMode = Literal["replace_days", "replace_scope", "merge_insert", "merge_upsert", "append"]


@dataclass(frozen=True)
class Column:
    """One column: `type` is Spark SQL, `delta_type` the same as Delta's protocol writes it."""

    name: str
    type: str
    delta_type: Any
    nullable: bool
    comment: str
    pii: str

    def field(self) -> dict[str, Any]:
        """The column as Delta's protocol writes a schema field."""
        return {
            "name": self.name,
            "type": self.delta_type,
            "nullable": self.nullable,
            "metadata": {"comment": self.comment},
        }


@dataclass(frozen=True)
class Contract:
    """All that is promised about one table."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition: tuple[str, ...]
    write: WriteMode
    scope: str | None
    root: Literal["restricted", "curated"]
    retention_days: int
    pii: str
    comment: str
    checks: dict[str, str]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in the order of the DDL."""
        return tuple(column.name for column in self.columns)

    @property
    def job_columns(self) -> tuple[str, ...]:
        """Names that a job's frame has: all but `run_id`, which the write adds."""
        return tuple(name for name in self.column_names if name != "run_id")

    def arrow_schema(self, names: Iterable[str] | None = None) -> pa.Schema:
        """The named columns, in that order, as Arrow's types; all columns if no names are given.

        Every field is nullable: the write checks NOT NULL, and an engine that relies on a promise does not look.

        Raises:
            ContractError: the table has no such column.
        """
        import pyarrow as pa

        return pa.schema([pa.field(c.name, _arrow_type(c.delta_type)) for c in self._chosen(names)])

    def spark_schema(self, names: Iterable[str] | None = None) -> StructType:
        """The same as Spark's types, nullable for the same reason."""
        from pyspark.sql.types import StructType

        fields = [
            {"name": c.name, "type": c.delta_type, "nullable": True, "metadata": {}}
            for c in self._chosen(names)
        ]
        return StructType.fromJson({"type": "struct", "fields": fields})

    def _chosen(self, names: Iterable[str] | None) -> list[Column]:
        columns = {column.name: column for column in self.columns}
        chosen = list(columns if names is None else names)
        if unknown := [name for name in chosen if name not in columns]:
            raise ContractError(f"the DDL has no column {unknown[0]}", table=self.name)
        return [columns[name] for name in chosen]

    @property
    def delta_schema_json(self) -> str:
        """The schema as Delta's protocol writes it."""
        return json.dumps({"type": "struct", "fields": [column.field() for column in self.columns]})

    @property
    def suite_path(self) -> Path:
        """Where the table's Great Expectations suite stands, whether it exists or not."""
        stage, table = self.name.split(".")
        return EXPECTATIONS / stage / f"{table}.json"


@cache
def table_names() -> tuple[str, ...]:
    """Every declared table as `stage.table`, sorted."""
    return tuple(
        sorted(
            f"{path.parent.name}.{path.stem}"
            for path in SCHEMAS.glob("*/*.sql")
            if path.parent.name != "views"
        )
    )


@cache
def view_names() -> tuple[str, ...]:
    """Every declared analyst view as `views.name`, sorted."""
    return tuple(sorted(f"views.{path.stem}" for path in (SCHEMAS / "views").glob("*.sql")))


@cache
def view_query(name: str) -> tuple[str, str]:
    """The (description, SELECT) of a view; the description is the leading comment of its file."""
    if name not in view_names():
        raise JobUnknown(f"no view {name} is declared", hint=did_you_mean(name, view_names(), _LIST))
    text = (SCHEMAS / "views" / f"{name.split('.')[1]}.sql").read_text(encoding="utf-8")
    lines = text.splitlines()
    comment = [line.removeprefix("--").strip() for line in lines if line.startswith("--")]
    query = "\n".join(line for line in lines if not line.startswith("--")).strip().rstrip(";")
    return " ".join(comment), query


@cache
def contract(name: str) -> Contract:
    """The contract of table `stage.table`.

    Raises:
        JobUnknown: no such table is declared.
        ContractError: its DDL lacks something that every table must state.
    """
    if name not in table_names():
        raise JobUnknown(f"no table {name} is declared", hint=did_you_mean(name, table_names(), _LIST))
    stage, table = name.split(".")
    text = (SCHEMAS / stage / f"{table}.sql").read_bytes()
    key = hashlib.sha256(b"%d %s %s" % (_CACHE_FORMAT, _parser_source(), text)).hexdigest()[:24]
    file = user_cache() / "contracts" / f"{name}-{key}.json"
    cached = _read_cached(file)
    if cached is None:
        from infra.contracts.ddl import parse

        cached = parse(name, text.decode("utf-8"))
        _write_cached(file, cached)
    return cached


@cache
def _parser_source() -> bytes:
    """Source of the DDL parser, part of the cache key: a changed parser parses every DDL again."""
    return Path(__file__).with_name("ddl.py").read_bytes()


def _read_cached(file: Path) -> Contract | None:
    """The contract in a cache file; None when it is missing or incomplete."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        columns = tuple(Column(**column) for column in values.pop("columns"))
        key, partition = tuple(values.pop("key")), tuple(values.pop("partition"))
        return Contract(columns=columns, key=key, partition=partition, **values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_cached(file: Path, parsed: Contract) -> None:
    """Write a cache file atomically. A failure to write is ignored."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, json.dumps(asdict(parsed)), durable=False)
    except OSError:
        return


def _arrow_type(delta_type: Any) -> pa.DataType:
    """Arrow's form of a type of Delta's protocol."""
    import pyarrow as pa

    if isinstance(delta_type, dict):
        if delta_type["type"] == "array":
            return pa.list_(_arrow_type(delta_type["elementType"]))
        if delta_type["type"] == "map":
            return pa.map_(_arrow_type(delta_type["keyType"]), _arrow_type(delta_type["valueType"]))
        return pa.struct([pa.field(f["name"], _arrow_type(f["type"])) for f in delta_type["fields"]])
    atomic: dict[str, pa.DataType] = {
        "string": pa.string(), "integer": pa.int32(), "long": pa.int64(), "double": pa.float64(),
        "float": pa.float32(), "boolean": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC"),
    }  # fmt: skip
    return atomic[delta_type]
