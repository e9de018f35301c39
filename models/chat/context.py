"""Assemble the context of a served response: its character and the earlier messages that passed screening.

Sampling, signal models and scoring all use this query. It is written for DuckDB and translated for Spark.

The context is the unbroken run of final turns that passed, right before the turn, at most `context_turns` of them. An
earlier turn that did not pass makes it shorter. A turn is unsafe to show when the turn right before it did not pass, or
when its character exists and did not pass: the response refers to text that may not be shown, and a model would learn
the wrong lesson without it. A superseded response is not part of a context; its regeneration is.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

PREVIOUS_TURN = "previous_turn"
CHARACTER = "character"

_ASSEMBLY = f"""
WITH finals AS (
  SELECT *,
    row_number() OVER spoken AS place,
    sum(CASE WHEN verdict = 'pass' THEN 0 ELSE 1 END) OVER spoken AS breaks,
    lag(verdict) OVER spoken AS verdict_before
  FROM screened
  WHERE is_final AND conversation_id IN (SELECT conversation_id FROM turns)
  WINDOW spoken AS (PARTITION BY conversation_id ORDER BY turn_index, response_ts, turn_id)
), passed AS (
  SELECT conversation_id, place, breaks, turn_id, response_ts, redacted_user_message, redacted_response,
    list_filter([
      {{'role': 'user', 'content': redacted_user_message}}, {{'role': 'assistant', 'content': redacted_response}}
    ], message -> message.content IS NOT NULL) AS messages
  FROM finals WHERE verdict = 'pass'
), histories AS (
  SELECT turn_id, redacted_user_message, redacted_response,
    flatten(list(messages) OVER earlier) AS messages,
    max(response_ts) OVER earlier AS latest_ts
  FROM passed
  WINDOW earlier AS (
    PARTITION BY conversation_id, breaks ORDER BY place ROWS BETWEEN $context_turns PRECEDING AND 1 PRECEDING
  )
)
SELECT t.turn_id,
  CASE
    WHEN f.verdict_before <> 'pass' THEN '{PREVIOUS_TURN}'
    WHEN c.verdict <> 'pass' THEN '{CHARACTER}'
  END AS unsafe,
  coalesce(h.latest_ts >= t.response_ts, FALSE) AS is_later,
  h.redacted_user_message, h.redacted_response,
  CAST(to_json({{
    'character': CASE WHEN c.verdict = 'pass' THEN {{
      'name': c.redacted_name, 'traits': c.redacted_traits, 'instructions': c.redacted_instructions}} END,
    'messages': list_concat(
      coalesce(h.messages, []),
      list_filter([{{'role': 'user', 'content': h.redacted_user_message}}], message -> message.content IS NOT NULL)
    )
  }}) AS VARCHAR) AS context
FROM turns AS t
LEFT JOIN finals AS f ON f.turn_id = t.turn_id
LEFT JOIN histories AS h ON h.turn_id = t.turn_id
LEFT JOIN characters AS c ON c.character_id = t.character_id AND c.valid_from <= t.response_ts
  AND (c.valid_to IS NULL OR t.response_ts < c.valid_to)
"""


@cache
def context_query(context_turns: int, dialect: Literal["duckdb", "spark"]) -> str:
    """The query that assembles contexts.

    It reads `turns` (turn_id, conversation_id, character_id, response_ts), `screened` (`curation.screened` of the
    turns' days and of the context days before them) and `characters` (`curation.screened_characters`).

    Its rows, one for each of `turns`:
        unsafe: the part that may not be shown (`previous_turn`, `character`), or NULL.
        is_later: a message of the context is younger than the response; a regeneration can cause this.
        redacted_user_message, redacted_response: of the turn itself; NULL where it did not pass.
        context: JSON {"character": {name, traits, instructions} or absent, "messages": [{role, content}]}. The messages
            end with the user message that the response answers.

    Args:
        context_turns: most turns of context, at least 1.
    """
    query = _ASSEMBLY.replace("$context_turns", str(int(context_turns)))
    if dialect == "duckdb":
        return query
    import sqlglot

    return sqlglot.transpile(query, read="duckdb", write=dialect)[0]
