"""The lake follows the DDL: idempotent, additive, and it refuses what would lose rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.contracts import Contract, contract, table_names
from infra.errors import MigrationRefused
from infra.lake import Lake
from infra.lake import migrate as module
from infra.lake.migrate import drift, migrate
from infra.settings import Settings, SplitSettings


def altered(monkeypatch: pytest.MonkeyPatch, name: str, **changes: Any) -> None:
    original = contract(name)

    def changed(asked: str) -> Contract:
        return replace(original, **changes) if asked == name else contract(asked)

    monkeypatch.setattr(module, "contract", changed)


def test_every_declared_table_is_made_once(settings: Settings) -> None:
    assert {change.table for change in migrate(settings)} == set(table_names())
    versions = {name: Lake.of(settings).version(name) for name in table_names()}
    assert migrate(settings) == []
    assert {name: Lake.of(settings).version(name) for name in table_names()} == versions
    assert drift(Lake.of(settings)) == []


def test_spark_sees_the_columns_types_and_comments_of_the_ddl(spark: Any, lake: Lake) -> None:
    from pyspark.sql.types import DataType

    for name in table_names():
        schema = spark.read.format("delta").load(lake.path(name)).schema
        told = [(f.name, f.dataType.simpleString(), f.metadata.get("comment")) for f in schema.fields]
        wanted = [
            (c.name, DataType.fromDDL(c.type).simpleString(), c.comment) for c in contract(name).columns
        ]
        assert told == wanted, name


def test_a_new_nullable_column_and_check_are_added(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = contract("ops.stale")
    extra = replace(old.columns[2], name="remark", nullable=True)
    altered(
        monkeypatch, "ops.stale", columns=(*old.columns, extra), checks={"cause_not_empty": "cause <> ''"}
    )
    assert [change.what for change in migrate(settings)] == [
        "column remark added", "CHECK cause_not_empty added", "properties",
    ]  # fmt: skip
    assert migrate(settings) == []


@pytest.mark.parametrize("what", ["dropped", "type", "NOT NULL", "partition"])
def test_destructive_changes_are_refused_with_the_reason(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    old = contract("traffic.quarantine")
    changes: dict[str, Any] = {
        "dropped": {"columns": old.columns[:3] + old.columns[4:]},
        "type": {"columns": (replace(old.columns[0], delta_type="long"), *old.columns[1:])},
        "NOT NULL": {"columns": (*old.columns, replace(old.columns[0], name="new"))},
        "partition": {"partition": ()},
    }[what]
    altered(monkeypatch, "traffic.quarantine", **changes)
    before = lake.version("traffic.quarantine")
    with pytest.raises(MigrationRefused, match=what):
        migrate(settings)
    assert lake.version("traffic.quarantine") == before


def test_the_split_of_a_filled_lake_cannot_move_users(settings: Settings, lake: Lake) -> None:
    moved = settings.model_copy(update={"split": SplitSettings(salt="another", evaluation_share=0.1)})
    with pytest.raises(MigrationRefused, match="evaluation users"):
        migrate(moved)
