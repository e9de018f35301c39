"""Great Expectations without what it does not need: it still judges, and nobody else sees a difference."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from infra.write.validation_library import great_expectations

gx = great_expectations()
hidden = ("altair", "scipy", "sqlalchemy", "pyspark.ml", "pyspark.sql.connect")
assert not set(hidden) & set(sys.modules)
import pandas as pd

context = gx.get_context(mode="ephemeral")
batch = (
    context.data_sources.add_pandas("frames").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    .get_batch({"dataframe": pd.DataFrame({"n": [1, 2, 30]})})
)
expectations = gx.expectations
verdicts = [
    batch.validate(expectation).success
    for expectation in (
        expectations.ExpectColumnValuesToBeBetween(column="n", min_value=1, max_value=30),
        expectations.ExpectColumnValuesToBeBetween(column="n", min_value=1, max_value=29),
        # It needs scipy, which is hidden: that is a failure, not a pass.
        expectations.ExpectColumnKLDivergenceToBeLessThan(
            column="n", partition_object={"values": [1, 2, 30], "weights": [0.4, 0.3, 0.3]}, threshold=1.0
        ),
    )
]
assert verdicts == [True, False, False], verdicts

import pyspark.ml.feature
import scipy.stats
import sqlalchemy

assert round(float(scipy.stats.norm.cdf(0)), 3) == 0.5
assert sqlalchemy.__version__
"""


def test_it_judges_without_them_and_they_are_whole_afterwards() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False,
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
