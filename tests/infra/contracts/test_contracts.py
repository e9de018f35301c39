"""Contracts: read once from the DDL, then from a cache that nothing can make wrong; their schemas for both engines."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from infra.contracts import SCHEMAS, Contract, contract, reader, table_names
from infra.contracts.ddl import parse
from infra.errors import ContractError


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache without contracts, and a process that has read none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "characterflywheel" / "contracts"


def read(name: str) -> Contract:
    """As a new process reads it."""
    return contract.__wrapped__(name)


def test_a_cached_contract_is_the_parsed_one(empty_cache: Path) -> None:
    for name in table_names():
        stage, table = name.split(".")
        parsed = parse(name, (SCHEMAS / stage / f"{table}.sql").read_text(encoding="utf-8"))
        assert read(name) == parsed  # written
        assert read(name) == parsed  # read
    assert len(list(empty_cache.iterdir())) == len(table_names())


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"columns": 3}', '{"columns": [], "key": []}'])
def test_a_broken_cache_file_is_made_again(empty_cache: Path, content: str) -> None:
    whole = read("ops.stale")
    (file,) = empty_cache.iterdir()
    kept = file.read_text()
    file.write_text(content)
    assert read("ops.stale") == whole
    assert file.read_text() == kept


def test_a_changed_ddl_is_read_again(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "table_names", table_names)  # as declared, whatever stands in the copy
    place = tmp_path / "schemas" / "ops"
    place.mkdir(parents=True)
    text = (SCHEMAS / "ops" / "stale.sql").read_text(encoding="utf-8")
    monkeypatch.setattr(reader, "SCHEMAS", place.parent)
    for comment in ("One reason.", "Another."):
        (place / "stale.sql").write_text(
            text.replace("COMMENT '", f"COMMENT '{comment} ", 1), encoding="utf-8"
        )
        assert read("ops.stale").columns[0].comment.startswith(comment)


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert read("ops.stale") == contract("ops.stale")


def test_readers_at_once_see_whole_files(empty_cache: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: read("curation.screened").column_names, range(32))) == {
            contract("curation.screened").column_names
        }


def test_a_process_that_finds_the_cache_parses_no_sql() -> None:
    contract("ops.runs")
    code = "import sys; from infra.contracts import contract; contract('ops.runs'); print('sqlglot' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SCHEMAS.parent
    )
    assert done.stdout.strip() == "False"


def test_schemas_name_the_columns_in_the_order_that_was_asked_for() -> None:
    declared = contract("curation.screened")
    names = ("ds", "privacy_spans", "turn_index")
    arrow, spark = declared.arrow_schema(names), declared.spark_schema(names)
    span = pa.struct(
        [
            ("field", pa.string()),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("type", pa.string()),
            ("score", pa.float64()),
        ]
    )
    assert arrow == pa.schema(
        [("ds", pa.date32()), ("privacy_spans", pa.list_(span)), ("turn_index", pa.int32())]
    )
    assert [(field.name, field.dataType.simpleString(), field.nullable) for field in spark.fields] == [
        ("ds", "date", True),
        ("privacy_spans", "array<struct<field:string,start:int,end:int,type:string,score:double>>", True),
        ("turn_index", "int", True),
    ]
    assert declared.arrow_schema().names == list(declared.column_names)
    with pytest.raises(ContractError, match="no column nonsense"):
        declared.arrow_schema(["nonsense"])
