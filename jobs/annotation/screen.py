"""Phase I for judged pairs: screens and redacts all text that a reward model reads (sections 2.2.1, 2.6).

The pair is judged as two conversations, one ending in each response, so that an identifier or a request that is spread
over turns is found whichever response completes it. There is no review queue here: an unsure verdict does not pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.chat.conversation import Messages, context_of
from models.screening.detection import Detectors, Question, examine
from models.screening.privacy import Span, merge
from models.screening.privacy.cast import Cast
from models.screening.privacy.span import PRIORITY
from models.screening.verdict import (
    ScreeningPolicy,
    Turn,
    TurnVerdict,
    Verdict,
    cast_of,
    ruled,
    screen_conversations,
)

# Kinds of reasons: the part before the colon.
_HARMLESS = frozenset({"redacted", "split"})
_SAFETY = frozenset({"unsafe", "unsafe_in_context", "unsure", "unsure_in_context"})


@dataclass(frozen=True)
class ScreenedPair:
    """Result of screening a pair. `reason` is why it does not pass; the texts are set only if it is None."""

    reason: str | None
    context: str | None = None
    response_a: str | None = None
    response_b: str | None = None
    safety_category: str | None = None


@dataclass(frozen=True)
class _PairLayout:
    """A pair laid out for judging: its turns, the last one without its response; system prompt and character fields."""

    turns: tuple[Turn, ...]
    fixed: Mapping[str, str]
    names: tuple[str, ...]


def screen_pairs(
    pairs: Sequence[Mapping[str, Any]],
    policy: ScreeningPolicy,
    detectors: Detectors,
    keep_unsafe: frozenset[str] = frozenset(),
) -> list[ScreenedPair]:
    """Screen many pairs at once. Equal texts are judged once.

    Args:
        pairs: `source`, `context`, `response_a`, `response_b` of each.
        keep_unsafe: sources whose unsafe pairs pass with their category; nothing else about them is let through.

    Raises:
        DetectorUnavailable: a model cannot be loaded at all.
    """
    layouts = [_layout_of(json.loads(pair["context"])) for pair in pairs]
    endings = [
        [*layout.turns[:-1], replace(layout.turns[-1], response=str(pair[name]))]
        for layout, pair in zip(layouts, pairs, strict=True)
        for name in ("response_a", "response_b")
    ]
    verdicts = screen_conversations(endings, policy, detectors=detectors)
    fixed = _judge_fixed(layouts, policy, detectors)
    return [
        _screened(
            pair,
            layout,
            verdicts[2 * n],
            verdicts[2 * n + 1],
            fixed[n],
            pair["source"] in keep_unsafe,
            cast_of(policy.settings, str(pair.get("pair_id", "")).encode()),
        )
        for n, (pair, layout) in enumerate(zip(pairs, layouts, strict=True))
    ]


def _layout_of(context: Mapping[str, Any]) -> _PairLayout:
    character = context.get("character") or {}
    fixed = {"system": context.get("system") or "", **{f"character.{k}": v for k, v in character.items()}}
    names = (character["name"],) if character.get("name") else ()
    turns: list[Turn] = []
    user_message: str | None = None
    for message in context["messages"]:
        if message["role"] == "user":
            if user_message is not None:
                turns.append(Turn("", user_message, "", names))
            user_message = message["content"]
        else:
            turns.append(Turn("", user_message, message["content"], names))
            user_message = None
    turns.append(Turn("", user_message, "", names))
    written = (
        character.get("name") or "",
        *(text for name, text in fixed.items() if text and name != "character.name"),
    )
    return _PairLayout(
        tuple(replace(turn, character_texts=written) for turn in turns),
        {k: v for k, v in fixed.items() if v},
        names,
    )


def _judge_fixed(
    layouts: Sequence[_PairLayout], policy: ScreeningPolicy, detectors: Detectors
) -> list[list[tuple[str, str, Verdict]]]:
    """(name, text, verdict) of system prompt and character fields: each by itself, and as part of all of them."""
    questions = [
        Question(text, layout.names)
        for layout in layouts
        for text in (*layout.fixed.values(), _together(layout))
    ]
    findings = iter(examine(questions, policy.settings, detectors))
    judged = []
    for layout in layouts:
        own = [
            (name, text, ruled(text, next(findings), policy.settings, Cast()))
            for name, text in layout.fixed.items()
        ]
        whole = ruled(_together(layout), next(findings), policy.settings, Cast())
        judged.append(_with_whole(own, whole))
    return judged


def _together(layout: _PairLayout) -> str:
    return "\n".join(layout.fixed.values())


def _with_whole(own: Sequence[tuple[str, str, Verdict]], whole: Verdict) -> list[tuple[str, str, Verdict]]:
    """Add the findings in the joined fields to each field: the reasons, and its part of every span."""
    combined, start = [], 0
    for name, text, verdict in own:
        end = start + len(text)
        parts = [
            replace(span, start=max(span.start, start) - start, end=min(span.end, end) - start)
            for span in whole.spans
            if span.overlaps(start, end)
        ]
        reasons = tuple(dict.fromkeys([*verdict.reasons, *whole.reasons]))
        worse = max(
            verdict, whole, key=lambda candidate: ("pass", "review", "reject").index(candidate.verdict)
        )
        worst = max(verdict, whole, key=lambda candidate: candidate.safety_score or 0.0)
        combined.append(
            (
                name, text,
                replace(
                    worst, verdict=worse.verdict, reasons=reasons, spans=merge([*verdict.spans, *parts], PRIORITY)
                ),
            )
        )  # fmt: skip
        start = end + 1
    return combined


def _screened(
    pair: Mapping[str, Any],
    layout: _PairLayout,
    with_a: Sequence[TurnVerdict],
    with_b: Sequence[TurnVerdict],
    fixed: Sequence[tuple[str, str, Verdict]],
    keep_unsafe: bool,
    cast: Cast,
) -> ScreenedPair:
    parts: list[TurnVerdict | Verdict] = [*with_a, *with_b, *(verdict for _, _, verdict in fixed)]
    if reason := _barring_reason(parts, keep_unsafe):
        return ScreenedPair(f"screening:{reason}")
    context = _redacted_context(layout, with_a, with_b, fixed, cast)
    response_a = cast.redact(str(pair["response_a"]), with_a[-1].response.spans)
    response_b = cast.redact(str(pair["response_b"]), with_b[-1].response.spans)
    if response_a.strip() == response_b.strip():
        return ScreenedPair("screening:identical_when_redacted")
    worst = max(parts, key=lambda part: (part.safety_score or 0.0, part.safety_category or ""))
    is_unsafe = any(part.verdict != "pass" for part in parts)
    return ScreenedPair(
        None,
        context,
        response_a,
        response_b,
        worst.safety_category if is_unsafe else None,
    )


def _barring_reason(parts: Sequence[TurnVerdict | Verdict], keep_unsafe: bool) -> str | None:
    """The reason that excludes the pair, None if there is none. Reasons not known to be harmless exclude it."""
    allowed = _HARMLESS | (_SAFETY if keep_unsafe else frozenset())
    for part in sorted(parts, key=lambda verdict: ("reject", "review", "pass").index(verdict.verdict)):
        if part.verdict == "pass":
            continue
        kinds = [reason.split(":")[0] for reason in part.reasons]
        barring = [reason for reason, kind in zip(part.reasons, kinds, strict=True) if kind not in allowed]
        if barring:
            return barring[0]
        if not _SAFETY & set(kinds):
            return "unexplained"  # it did not pass, and nothing that may be kept says why
    return None


def _redacted_context(
    layout: _PairLayout,
    with_a: Sequence[TurnVerdict],
    with_b: Sequence[TurnVerdict],
    fixed: Sequence[tuple[str, str, Verdict]],
    cast: Cast,
) -> str:
    texts = {name: cast.redact(text, verdict.spans) for name, text, verdict in fixed}
    messages: Messages = []
    for turn, verdict_a, verdict_b in zip(layout.turns, with_a, with_b, strict=True):
        if turn.user_message is not None:
            spans = _merged_spans(verdict_a.user_message.spans, verdict_b.user_message.spans)
            messages.append({"role": "user", "content": cast.redact(turn.user_message, spans)})
        if turn.response:
            spans = _merged_spans(verdict_a.response.spans, verdict_b.response.spans)
            messages.append({"role": "assistant", "content": cast.redact(turn.response, spans)})
    character = {name.partition(".")[2]: text for name, text in texts.items() if name != "system"}
    return context_of(messages, system=texts.get("system"), character=character or None)


def _merged_spans(spans_a: Sequence[Span], spans_b: Sequence[Span]) -> tuple[Span, ...]:
    return merge([*spans_a, *spans_b], PRIORITY)


def batches_of(rows: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """Lists of at most `size` rows."""
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
