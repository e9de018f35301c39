"""A wrong statement is told in a plain sentence, with the names that are near; DuckDB's own words stay out of it."""

from __future__ import annotations

import pytest

from infra.errors import FlywheelError
from infra.lake import Lake
from infra.lake.room import read
from infra.settings import Settings


@pytest.mark.parametrize(
    ("statement", "what", "near"),
    [
        ("SELECT sclae FROM ops.runs", "there is no column sclae in ops.runs", ""),
        ("SELECT stat FROM ops.runs", "there is no column stat in ops.runs", "Did you mean state"),
        ("SELECT r.jbo FROM ops.runs r", "there is no column jbo in ops.runs", "Did you mean job"),
        ("SELECT tunrs FROM views.daily_funnel", "there is no column tunrs in views.daily_funnel", "turns"),
        ("SELECT * EXCLUDE (jobb) FROM ops.stale", "there is no column jobb in ops.stale", "job"),
        ("SELECT x.job FROM ops.runs r", "FROM names no table or alias x", ""),
        ("SELECT * FROM ops.run", "no table or view ops.run is declared", "Did you mean ops.runs"),
        ("SELECT * FROM turns", "no table or view turns is declared", "Did you mean traffic.turns"),
        ("SELECT * FROM views.funnel", "no table or view views.funnel is declared", "daily_funnel"),
        ("SELECT cuont(*) FROM ops.runs", "there is no function cuont", "Did you mean count"),
        ("SELECT sum(cause) FROM ops.stale", "no function takes sum(VARCHAR)", "CAST("),
        ("SELECT job, count(*) FROM ops.runs", 'column "job" must appear in the GROUP BY', ""),
        ("SELECT job FROM ops.runs WHERE count(*) > 1", "WHERE may not contain aggregates", "HAVING"),
        ("SELECT job FORM ops.runs", 'the statement is not SQL: it cannot be read at or near "ops"', ""),
        ("SELECT job::txt FROM ops.runs", "there is no type txt", ""),
    ],
)  # fmt: skip
def test_a_wrong_name_is_told_with_those_that_are_near(
    settings: Settings, lake: Lake, statement: str, what: str, near: str
) -> None:
    with pytest.raises(FlywheelError) as told:
        read(lake, settings.sql, statement)
    message = str(told.value)
    assert message.startswith(what)
    assert near in message
    for word in ("Binder", "Catalog Error", "Parser", "Candidate", "LINE 1", "!", "\n", "Values list"):
        assert word not in message
