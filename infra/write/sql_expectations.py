"""Expectations written in SQL (`unexpected_rows_expectation`) for pandas frames, which Great Expectations leaves out.

Importing this module registers the two metrics that such an expectation asks for; DuckDB evaluates the query. Great
Expectations calls the functions as class methods.
"""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.query_metric_provider import QueryMetricProvider


class _UnexpectedRowCount(QueryMetricProvider):  # type: ignore[misc]
    """Number of rows that the query returns."""

    metric_name = "unexpected_rows_query.row_count"
    value_keys = ("unexpected_rows_query",)

    @metric_value(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls,
        execution_engine: PandasExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        **_: Any,
    ) -> int:
        frame, _, _ = execution_engine.get_compute_domain(metric_domain_kwargs, MetricDomainTypes.TABLE)
        query = metric_value_kwargs["unexpected_rows_query"].replace("{batch}", "staged")
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("staged", pa.Table.from_pandas(frame, preserve_index=False))
            row = connection.execute(f"SELECT count(*) FROM ({query})").fetchall()[0]
        return int(row[0])


class _UnexpectedRows(QueryMetricProvider):  # type: ignore[misc]
    """The rows themselves: nothing is shown of them."""

    metric_name = "unexpected_rows_query.table"
    value_keys = ("unexpected_rows_query",)

    @metric_value(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, **_: Any) -> list[dict[str, Any]]:
        return []
