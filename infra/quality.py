"""Great Expectations on a staged frame, once, before anything is visible.

Suites are `expectations/<stage>/<table>.json` in Great Expectations' own JSON. `severity` decides: a critical failure,
or an expectation that could not be evaluated, blocks the write; a warning is recorded.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from infra.contracts import contract
from infra.errors import ContractError

if TYPE_CHECKING:
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


def check(frame: DataFrame, table: str) -> list[Result]:
    """Run the table's suite on a (cached) frame; no suite, no results."""
    suite = _suite(table)
    if suite is None:
        return []
    import great_expectations as gx

    context = _context()
    source = context.data_sources.add_or_update_spark("staged", persist=False)
    asset = source.add_dataframe_asset(table)
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
    expectations = gx.ExpectationSuite(
        name=table, expectations=suite["expectations"], meta=suite.get("meta", {})
    )
    outcome = batch.validate(expectations, result_format="BOOLEAN_ONLY")
    results = [_result(one) for one in outcome.results]
    if all(result.success for result in results):
        return results
    # Counts cost more, so they are gathered only when something failed.
    return [_result(one) for one in batch.validate(expectations, result_format="BASIC").results]


def _result(one: Any) -> Result:
    configuration = one.expectation_config
    arguments = configuration.kwargs
    subject = arguments.get("column") or arguments.get("column_list") or configuration.description or ""
    raised = bool((one.exception_info or {}).get("raised_exception", False)) or any(
        isinstance(v, dict) and v.get("raised_exception") for v in (one.exception_info or {}).values()
    )
    counts = {
        key: value
        for key, value in (one.result or {}).items()
        if key in {"element_count", "unexpected_count", "missing_count"} and isinstance(value, int | float)
    }
    if raised:
        counts["raised_exception"] = 1
    name = f"{configuration.type}({subject if isinstance(subject, str) else ', '.join(subject)})"
    severity = str(getattr(configuration.severity, "value", configuration.severity) or "critical")
    return Result(name, severity, bool(one.success) and not raised, json.dumps(counts, sort_keys=True))


@cache
def _suite(table: str) -> dict[str, Any] | None:
    path = contract(table).suite_path
    if not path.exists():
        return None
    suite: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if not suite.get("expectations"):
        raise ContractError(
            "the suite holds no expectation", table=table, hint=f"Mend {path.name} or remove it."
        )
    return suite


@cache
def _context() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    return context
