"""Leakage between training and evaluation: users, conversations and texts that are on both sides of the split.

Run before every training (LOG-8). Texts meet by the rule of curation (`models.text.lexical`): candidates by MinHash,
then an edit ratio of the whole and of its last message. Nothing that is reported or raised quotes a text or an id.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa

from infra.errors import TrainingRefused
from infra.settings import DiversitySettings
from models.chat.conversation import messages
from models.text.lexical import Normal, normalise
from models.training.repeats import Repeats

if TYPE_CHECKING:
    from models.tables.opened import Opened

Text = Literal["prompt", "whole"]
SIMILARITY: Final[float] = DiversitySettings().lexical_similarity

_RESPONSES: Final = ("response", "response_a", "response_b")
_READ: Final = ("user_id", "conversation_id", "context", *_RESPONSES)
_ROWS_AT_ONCE: Final = 4_096


@dataclass(frozen=True)
class LeakageReport:
    """What stands on both sides; counts only.

    Attributes:
        users, conversations: distinct ids on both sides; None where a side has no such column.
        rows_without_user: rows of both sides without a user id: for them only texts are compared.
        exact: training rows whose text equals an evaluation text but for case, punctuation and spacing.
        near: further training rows whose text is nearly an evaluation text.
        evaluation_hit: evaluation rows whose text, exactly or nearly, is in training.
        leaking: numbers of the `exact` and `near` rows of training, from 0 in the order in which they were read.
        similarity: edit ratio from which two texts are nearly the same.
    """

    train_rows: int
    evaluation_rows: int
    users: int | None
    conversations: int | None
    rows_without_user: int
    exact: int
    near: int
    evaluation_hit: int
    leaking: tuple[int, ...]
    text: Text
    similarity: float

    def figures(self) -> dict[str, float]:
        """Numbers for a run's metrics."""
        names = ("train_rows", "evaluation_rows", "rows_without_user", "exact", "near", "evaluation_hit")
        counts = {name: float(getattr(self, name)) for name in names}
        ids = {"users": self.users, "conversations": self.conversations}
        return {**counts, **{name: float(value) for name, value in ids.items() if value is not None}}

    def refuse(self, allowed: float = 0.0) -> None:
        """Refuse what would flatter the model.

        Args:
            allowed: largest share of evaluation rows whose text may be in training; users and conversations may never.

        Raises:
            TrainingRefused: says what is on both sides and what to do.
        """
        if self.users or self.conversations:
            raise TrainingRefused(
                f"{self.users or 0} users and {self.conversations or 0} conversations are on both sides of the split",
                setting="split",
                hint="Split by user: take the column split of the curated table, never a random share of its rows.",
            )
        if self.evaluation_hit > allowed * self.evaluation_rows:
            raise TrainingRefused(
                f"{self.evaluation_hit} of {self.evaluation_rows} evaluation texts are in training too: "
                f"{self.exact} training rows repeat one, {self.near} nearly",
                setting="split",
                hint="Leave those training rows out (LeakageReport.leaking), or allow a share and report it.",
            )


def check_leakage(
    train: Opened | pa.Table,
    evaluation: Opened | pa.Table,
    *,
    text: Text = "prompt",
    similarity: float = SIMILARITY,
    allowed: float = 0.0,
) -> LeakageReport:
    """Measure, and refuse: what every training calls first. Arguments as `measure_leakage` and `LeakageReport.refuse`.

    Raises:
        TrainingRefused: something is on both sides, or cannot be compared.
    """
    report = measure_leakage(train, evaluation, text=text, similarity=similarity)
    report.refuse(allowed)
    return report


def measure_leakage(
    train: Opened | pa.Table,
    evaluation: Opened | pa.Table,
    *,
    text: Text = "prompt",
    similarity: float = SIMILARITY,
) -> LeakageReport:
    """Count users, conversations and texts on both sides. Training is read once, in batches; evaluation is held.

    Args:
        train, evaluation: rows with `context` (JSON of `models.chat.conversation`), and as far as there are any
            `response`, or `response_a` and `response_b`, `user_id` and `conversation_id`.
        text: what may not be met again: the `prompt` (messages before the response; a reward model must not have seen
            the question), or the `whole` with its responses (for labels of all traffic, where many people say "hi").

    Raises:
        TrainingRefused: there is no column of contexts, or a context cannot be read.
    """
    exam = Repeats(similarity)
    exam_ids, exam_rows, unknown = _Ids(), 0, 0
    for batch in _batches(evaluation):
        exam_ids.add(batch)
        exam.add(_normals(batch, text))
        exam_rows += batch.num_rows
        unknown += _without_user(batch)
    exam.close()
    ids, rows = _Ids(), 0
    for batch in _batches(train):
        ids.add(batch)
        exam.find(_normals(batch, text), rows)
        rows += batch.num_rows
        unknown += _without_user(batch)
    return LeakageReport(
        train_rows=rows,
        evaluation_rows=exam_rows,
        users=ids.shared(exam_ids, "user_id"),
        conversations=ids.shared(exam_ids, "conversation_id"),
        rows_without_user=unknown,
        exact=len(exam.exact),
        near=len(exam.near),
        evaluation_hit=exam.rows_hit(),
        leaking=tuple(sorted([*exam.exact, *exam.near])),
        text=text,
        similarity=similarity,
    )


def _batches(rows: Opened | pa.Table) -> Iterator[pa.RecordBatch]:
    batches = rows.to_batches() if isinstance(rows, pa.Table) else rows.batches()
    for batch in batches:
        if "context" not in batch.schema.names:
            raise TrainingRefused(
                "rows without a column context cannot be compared",
                hint="Open the snapshot with the columns context, response, user_id and conversation_id.",
            )
        columns = batch.select([name for name in _READ if name in batch.schema.names])
        for start in range(0, columns.num_rows, _ROWS_AT_ONCE):
            yield columns.slice(start, _ROWS_AT_ONCE)


def _without_user(batch: pa.RecordBatch) -> int:
    if "user_id" not in batch.schema.names:
        return int(batch.num_rows)
    return int(batch["user_id"].null_count)


def _normals(batch: pa.RecordBatch, text: Text) -> list[Normal]:
    names = [name for name in _RESPONSES if name in batch.schema.names]
    columns = [batch[name].to_pylist() for name in names]
    normals = []
    for row, context in enumerate(batch["context"].to_pylist()):
        # A character's instructions are shared by thousands: they make no two conversations alike.
        parts = [message["content"] for message in messages(context) if message["role"] != "system"]
        last = (
            parts.pop() if text == "prompt" and parts else "\n".join(column[row] or "" for column in columns)
        )
        # The normal form takes its parts by line: the first two are what came before the message.
        normals.append(normalise(f"{' '.join(chr(10).join(parts).split())}\n\n{last}"))
    return normals


class _Ids:
    """Distinct ids of one side by column."""

    def __init__(self) -> None:
        self._seen: dict[str, set[str]] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        for name in ("user_id", "conversation_id"):
            if name in batch.schema.names:
                self._seen.setdefault(name, set()).update(batch[name].drop_null().unique().to_pylist())

    def shared(self, other: _Ids, name: str) -> int | None:
        if name not in self._seen or name not in other._seen:
            return None
        return len(self._seen[name] & other._seen[name])
