"""Features of a turn as known when its response was served: from redacted text, and nothing from later."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import DataFrame

from infra.contracts import contract
from jobs.curation.sampling.attributes import jobs_to_be_done, jtbd_classifier
from models.text.jtbd.classifier import Classifier
from models.text.sentiment import sentiment

if TYPE_CHECKING:
    from jobs.context import JobContext

_ASKS = re.compile(r"[?？؟]\W*\Z")
_FEATURES = ("turn_id", "jtbd", "prior_sentiment", "response_words", "is_question", "ds")


def describe(
    passed: DataFrame, ranked: DataFrame, embeddings: DataFrame, classifier: Classifier
) -> DataFrame:
    """Rows of `signals.features` without `run_id`, one a turn of `passed`.

    Args:
        passed: rows of `curation.screened` whose verdict is `pass`.
        ranked: rows of `curation.pruned` of their days.
        embeddings: rows of `curation.embeddings`.
        classifier: of jobs to be done.
    """
    place, space = ["conversation_id", "turn_index"], ["text_hash", "recipe", "encoder"]
    # Phase II ranks the last response to a message. The earlier ones have the job of the same message: were they told
    # apart, a feature would say that the user is going to ask for another response.
    prompts = ranked.join(passed.select("turn_id", *place), "turn_id").select(*place, *space)
    return (
        passed.select("turn_id", *place, "language", "redacted_user_message", "redacted_response", "ds")
        .join(prompts, place, "left")
        .join(embeddings.select(*space, "embedding"), space, "left")
        .mapInArrow(_describing(classifier), contract("signals.features").spark_schema(_FEATURES))
    )


def asks(response: str) -> bool:
    """Whether a response ends with a question; emoji and closing marks after it do not count."""
    return _ASKS.search(response) is not None


def _describing(
    classifier: Classifier,
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:  # runs on the workers
    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = {name: batch.column(name) for name in batch.schema.names}
            messages = zip(
                columns["redacted_user_message"].to_pylist(), columns["language"].to_pylist(), strict=True
            )
            moods = [sentiment(text, language) if text else None for text, language in messages]
            responses = columns["redacted_response"].to_pylist()
            arrays = [
                columns["turn_id"],
                jobs_to_be_done(classifier, columns),
                pa.array(moods, pa.float64()),
                pa.array([len(response.split()) for response in responses], pa.int32()),
                pa.array([asks(response) for response in responses], pa.bool_()),
                columns["ds"],
            ]
            yield pa.RecordBatch.from_arrays(arrays, names=list(_FEATURES))

    return apply


def run(ctx: JobContext) -> None:
    """Describe the turns of `ctx.days` that passed screening."""
    screened = ctx.read("curation.screened")
    counts = screened.groupBy("ds", "verdict").count().collect()
    rows_in = dict.fromkeys(ctx.days, 0)
    rejected: dict[date, dict[str, int]] = {day: {} for day in ctx.days}
    for row in counts:
        rows_in[row["ds"]] += row["count"]
        if row["verdict"] != "pass":
            rejected[row["ds"]][row["verdict"]] = row["count"]
    frame = describe(
        screened.where("verdict = 'pass'"),
        ctx.read("curation.pruned"),
        ctx.read("curation.embeddings"),
        jtbd_classifier(ctx),
    )
    ctx.write("signals.features", frame, rows_in=rows_in, rejected=rejected)
