"""Great Expectations on a staged frame, once, before anything is visible.

Suites are `expectations/<stage>/<table>.json` in Great Expectations' own JSON. `severity` decides: a critical failure,
or an expectation that could not be evaluated, blocks the write; a warning is recorded. A Spark frame is checked by
Spark, an Arrow frame by pandas: suites use only what both evaluate alike.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from infra.contracts import contract
from infra.errors import ContractError
from infra.write.frames import SMALL_ROWS
from infra.write.validation_library import great_expectations

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

_BY_ROW = (
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_value_lengths_to_be_between",
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_be_null",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_not_be_null",
)


@dataclass(frozen=True)
class Result:
    """What one expectation found. `observed` holds counts only, never values."""

    expectation: str
    severity: str
    success: bool
    observed: str

    @property
    def blocks(self) -> bool:
        """Whether the write must not happen."""
        return not self.success and self.severity != "warning"


def check(frame: DataFrame | pa.Table, table: str) -> list[Result]:
    """Run the table's suite on a (cached) frame; no suite, no results, and no import of Great Expectations."""
    suite = _suite(table)
    if suite is None:
        return []
    gx = _great_expectations()
    context = _context()
    if isinstance(frame, pa.Table):
        source = context.data_sources.add_or_update_pandas("arrow")
        used = _columns_used(frame, suite["expectations"])
        data = _pandas_frame(_distinct(used, suite["expectations"]))
    else:
        source = context.data_sources.add_or_update_spark("spark", persist=False)
        used = data = frame
    asset = source.add_dataframe_asset(table)
    whole = asset.add_batch_definition_whole_dataframe("whole")
    expectations = gx.ExpectationSuite(
        name=table, expectations=suite["expectations"], meta=suite.get("meta", {})
    )
    outcome = whole.get_batch({"dataframe": data}).validate(expectations, result_format="BOOLEAN_ONLY")
    results = [_result(result) for result in outcome.results]
    if all(result.success for result in results):
        return results
    # Counts cost more, so they are gathered only when something failed, and then over all rows.
    data = _pandas_frame(used) if isinstance(used, pa.Table) else used
    outcome = whole.get_batch({"dataframe": data}).validate(expectations, result_format="BASIC")
    return [_result(result) for result in outcome.results]


def _columns_used(frame: pa.Table, expectations: list[dict[str, Any]]) -> pa.Table:
    """The columns that a suite names."""
    words = set(re.findall(r"\w+", json.dumps(expectations)))
    used = [name for name in frame.column_names if name in words]
    return frame.select(used or frame.column_names)


def _distinct(frame: pa.Table, expectations: list[dict[str, Any]]) -> pa.Table:
    """Each row once, where that decides the suite as all rows would: pandas looks at every row in Python."""
    flat = not any(pa.types.is_nested(kind) for kind in frame.schema.types)
    if frame.num_rows <= SMALL_ROWS or not flat or not all(_is_by_row(each) for each in expectations):
        return frame
    return frame.group_by(frame.column_names).aggregate([])


def _is_by_row(expectation: dict[str, Any]) -> bool:
    """Whether it holds where it holds for every row alone."""
    return expectation["type"] in _BY_ROW and "mostly" not in expectation["kwargs"]


def _pandas_frame(frame: pa.Table) -> pd.DataFrame:
    """Numbers stay Arrow's: integers are exact, and NaN is a value, not a NULL."""
    import pandas as pd

    def dtype(kind: pa.DataType) -> Any:
        return pd.ArrowDtype(kind) if pa.types.is_integer(kind) or pa.types.is_floating(kind) else None

    data: pd.DataFrame = frame.to_pandas(types_mapper=dtype)
    return data


def _result(outcome: Any) -> Result:
    configuration = outcome.expectation_config
    arguments = configuration.kwargs
    subject = arguments.get("column") or arguments.get("column_list") or configuration.description or ""
    raised = bool((outcome.exception_info or {}).get("raised_exception", False)) or any(
        isinstance(v, dict) and v.get("raised_exception") for v in (outcome.exception_info or {}).values()
    )
    counts = {
        key: value
        for key, value in (outcome.result or {}).items()
        if key in {"element_count", "unexpected_count", "missing_count"} and isinstance(value, int | float)
    }
    if raised:
        counts["raised_exception"] = 1
    name = f"{configuration.type}({subject if isinstance(subject, str) else ', '.join(subject)})"
    severity = str(getattr(configuration.severity, "value", configuration.severity) or "critical")
    return Result(name, severity, bool(outcome.success) and not raised, json.dumps(counts, sort_keys=True))


@cache
def _suite(table: str) -> dict[str, Any] | None:
    path = contract(table).suite_path
    if not path.exists():
        return None
    suite: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if not suite.get("expectations"):
        raise ContractError(
            "the suite has no expectations", table=table, hint=f"Fix {path.name} or remove it."
        )
    return suite


@cache
def _great_expectations() -> Any:
    """The library, imported for the first table that has a suite: it costs seconds."""
    gx = great_expectations()
    from infra.write import sql_expectations  # noqa: F401 - registers what it defines

    return gx


@cache
def _context() -> Any:
    gx = _great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    return context
