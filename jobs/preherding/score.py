"""Scores the responses to each prompt of a window with a registered reward model (section 3.5.4).

The k responses to a prompt are the final one (`response_no` 1) and those that it superseded when the user asked for
another: they answer the same words. Most prompts have one, whose difficulty stays unknown to `curation.sample`; the
candidates of rejection sampling would be further responses.

No cycle arises: the model is pinned by name and version, `trained_until` stands in every row, and a dataset whose
window begins on or before that day refuses the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from infra.contracts import contract
from infra.settings import Settings
from jobs.curation.sampling.conversation_context import contexts, unsafe_contexts
from jobs.preherding.scorer import Scorer

if TYPE_CHECKING:
    from jobs.context import JobContext

TABLE = "preherding.scores"
_PROMPTS_A_BATCH, _PROMPTS_A_TASK = 256, 2_000
# What another batch or another thread adds up differently is not another score.
_DIGITS = 5
_SCORED = ("turn_id", "response_no", "score", "ds")


def prompts(
    screened: DataFrame, characters: DataFrame, days: tuple[date, ...], context_turns: int
) -> DataFrame:
    """Each prompt of the days with all its responses: turn_id (of the final one), context, responses, ds.

    Responses that did not pass are none; a prompt whose final response or context did not pass is left out.

    Args:
        screened: `curation.screened` of the days and of the context days before them.
        characters: `curation.screened_characters`.
        context_turns: most turns of context.
    """
    passed = screened.where("verdict = 'pass' AND redacted_user_message IS NOT NULL")
    finals = passed.where(F.col("is_final") & F.col("ds").isin(list(days)))
    finals = finals.join(unsafe_contexts(finals, screened, characters), "turn_id", "left_anti")
    prompt_contexts = contexts(finals, screened, characters, context_turns)
    same = ["conversation_id", "turn_index"]
    order = Window.partitionBy("final_turn").orderBy(F.desc("is_final"), F.desc("response_ts"), "turn_id")
    responses = (
        passed.select(*same, "turn_id", "is_final", "response_ts", "redacted_response")
        .join(finals.select(*same, F.col("turn_id").alias("final_turn")), same)
        .where(~F.col("is_final") | (F.col("turn_id") == F.col("final_turn")))
        .withColumn("response_no", F.row_number().over(order))
        .groupBy(F.col("final_turn").alias("turn_id"))
        .agg(F.array_sort(F.collect_list(F.struct("response_no", "redacted_response"))).alias("numbered"))
    )
    return (
        finals.select("turn_id", "ds")
        .join(prompt_contexts, "turn_id")
        .join(responses, "turn_id")
        .select("turn_id", "context", F.col("numbered.redacted_response").alias("responses"), "ds")
    )


def scored(prompts_frame: DataFrame, scorer: Scorer) -> DataFrame:
    """A row for each response; `score` is NULL where the prompt is too long for the model."""
    return prompts_frame.mapInArrow(_scoring(scorer), contract(TABLE).spark_schema(_SCORED))


def run(ctx: JobContext) -> None:
    """Score the prompts of the window; scores of the same days by other models stay."""
    if not ctx.settings.preherding.score_model:
        ctx.say("preherding.score_model is empty: nothing is scored")
        ctx.write(TABLE, ctx.read_arrow(TABLE).drop_columns(["run_id"]))
        return
    scorer = Scorer.of(ctx.settings)
    ctx.say(f"{scorer.name}/{scorer.version}, trained until {scorer.trained_until}")
    rules = ctx.settings.sampling
    screened = ctx.read("curation.screened")
    prompts_frame = prompts(
        screened, ctx.read("curation.screened_characters"), ctx.days, rules.context_turns
    ).persist(StorageLevel.MEMORY_AND_DISK)
    scored_frame = None
    try:
        count = prompts_frame.count()
        tasks = max(int(ctx.spark.sparkContext.defaultParallelism), -(-count // _PROMPTS_A_TASK))
        scored_frame = scored(prompts_frame.repartition(tasks, "turn_id"), scorer).persist(
            StorageLevel.MEMORY_AND_DISK
        )
        counts = scored_frame.agg(F.count("*").alias("all"), F.count("score").alias("scored")).collect()[0]
        last = ctx.days[-1]
        ctx.write(
            TABLE,
            _scores_of_other_models(ctx, scorer).unionByName(_rows(scored_frame, scorer)),
            rows_in={last: counts["all"]},
            rejected={last: {"too_long": counts["all"] - counts["scored"]}},
        )
        ctx.say(f"{counts['scored']:,} responses to {count:,} prompts scored")
    finally:
        prompts_frame.unpersist()
        if scored_frame is not None:
            scored_frame.unpersist()


def _rows(scored_frame: DataFrame, scorer: Scorer) -> DataFrame:
    return scored_frame.where("score IS NOT NULL").select(
        "turn_id", F.lit(scorer.name).alias("model"), F.lit(str(scorer.version)).alias("model_version"),
        "response_no", "score", F.lit(scorer.trained_until).cast("date").alias("trained_until"), "ds",
    )  # fmt: skip


def _scores_of_other_models(ctx: JobContext, scorer: Scorer) -> DataFrame:
    """Scores of the same days by other models and other versions of this one."""
    is_own = (F.col("model") == scorer.name) & (F.col("model_version") == str(scorer.version))
    return ctx.read(TABLE).where(~is_own).drop("run_id")


def _scoring(
    scorer: Scorer,
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:  # runs on the workers
    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for whole in batches:
            for start in range(0, whole.num_rows, _PROMPTS_A_BATCH):
                yield _score(whole.slice(start, _PROMPTS_A_BATCH), scorer)

    return apply


def _score(batch: pa.RecordBatch, scorer: Scorer) -> pa.RecordBatch:
    from models.chat.conversation import messages
    from models.training.fitting import Fitting
    from models.training.scoring import score

    model, tokenizer = _loaded(scorer)
    longest = min(scorer.longest, int(getattr(model.config, "max_position_embeddings", None) or 1 << 30))
    fitting = Fitting(tokenizer, longest)
    turns: list[str] = []
    numbers: list[int] = []
    days: list[date] = []
    at: list[int | None] = []
    sequences: list[list[int]] = []
    for row in batch.to_pylist():
        # All responses to a prompt lose the same oldest turns: they are compared with each other.
        token_ids = fitting.answered(messages(row["context"]), *row["responses"])
        for number in range(len(row["responses"])):
            turns.append(row["turn_id"])
            numbers.append(number + 1)
            days.append(row["ds"])
            at.append(None if token_ids is None else len(sequences) + number)
        sequences += token_ids or []
    logits = [round(float(logit), _DIGITS) for logit in score(model, sequences)] if sequences else []
    values = [None if place is None else logits[place] for place in at]
    columns = [
        pa.array(turns, pa.string()), pa.array(numbers, pa.int32()), pa.array(values, pa.float64()),
        pa.array(days, pa.date32()),
    ]  # fmt: skip
    return pa.RecordBatch.from_arrays(columns, names=["turn_id", "response_no", "score", "ds"])


@cache
def _loaded(scorer: Scorer) -> tuple[Any, Any]:
    """Model and tokenizer of this worker, loaded once, on its GPU if it has one."""
    from models.registry.register import fetch
    from models.training.scoring import load
    from models.training.sequences import tokenizer_of

    folder = Path(scorer.folder)
    if not folder.is_dir():
        settings = Settings(home=scorer.home, tracking=scorer.tracking)
        folder = fetch(settings, f"{scorer.name}/{scorer.version}")
    return load(folder), tokenizer_of(str(folder))
