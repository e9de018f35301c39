"""The bias report of the lake's labels: how far users' thumbs differ from a judgement of the last response."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from infra.lake import Lake
from infra.lake.sql import connect
from models.signals.contrasts import Statistic, report

_CELLS = """
SELECT bias, contrast, level, reaction, user_id,
  CAST(sum(responses) AS DOUBLE) AS responses, CAST(sum(hits) AS DOUBLE) AS hits
FROM views.signal_bias_cells
WHERE ($first IS NULL OR ds >= $first) AND ($last IS NULL OR ds <= $last) AND ($model IS NULL OR model_version = $model)
GROUP BY bias, contrast, level, reaction, user_id
ORDER BY bias, contrast, level, reaction, user_id
"""


def measure(lake: Lake, days: Sequence[date] = (), model_version: str | None = None) -> list[Statistic]:
    """The bias report of the production responses of a lake.

    Args:
        lake: with `signals.labels` and `signals.features` of the days.
        days: sorted; the first and the last bound the UTC dates of the responses. () = all there are.
        model_version: only responses that this model served.
    """
    parameters = {
        "first": days[0] if days else None,
        "last": days[-1] if days else None,
        "model": model_version,
    }
    with connect(lake, _CELLS) as connection:
        return report(connection.execute(_CELLS, parameters).df())
