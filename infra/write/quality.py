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
from infra.write.validation_library import great_expectations

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame


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
        data = _pandas_frame(frame, suite["expectations"])
    else:
        source = context.data_sources.add_or_update_spark("spark", persist=False)
        data = frame
    asset = source.add_dataframe_asset(table)
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": data})
    expectations = gx.ExpectationSuite(
        name=table, expectations=suite["expectations"], meta=suite.get("meta", {})
    )
    outcome = batch.validate(expectations, result_format="BOOLEAN_ONLY")
    results = [_result(result) for result in outcome.results]
    if all(result.success for result in results):
        return results
    # Counts cost more, so they are gathered only when something failed.
    return [_result(result) for result in batch.validate(expectations, result_format="BASIC").results]


def _pandas_frame(frame: pa.Table, expectations: list[dict[str, Any]]) -> pd.DataFrame:
    """The columns that a suite names. Numbers stay Arrow's: integers are exact, and NaN is a value, not a NULL."""
    import pandas as pd

    words = set(re.findall(r"\w+", json.dumps(expectations)))
    used = [name for name in frame.column_names if name in words]

    def dtype(kind: pa.DataType) -> Any:
        return pd.ArrowDtype(kind) if pa.types.is_integer(kind) or pa.types.is_floating(kind) else None

    data: pd.DataFrame = frame.select(used or frame.column_names).to_pandas(types_mapper=dtype)
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
