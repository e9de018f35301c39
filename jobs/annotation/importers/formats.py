"""Readers of preference formats. Each converts one record to judged pairs: a context, two responses, who was preferred.

What is no served text (tool calls, reasoning) is left out as in imports of logs, and counted; so is one bad answer of a
ranked list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.records import Refused
from jobs.annotation.importers.rankings import Answer, pairs_of, rated, score_of
from jobs.annotation.parse import text_of
from jobs.traffic.importers.chat import Source
from jobs.traffic.importers.content import kind_of_role, served

FIRST, SECOND, TIE = "first", "second", "tie"
_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}
_LLMBAR = {"1": FIRST, "2": SECOND}
_AUTOJ = {"0": FIRST, "1": SECOND, "2": TIE}
# What sets of binarised pairs call the scores of both sides.
_SCORES = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("chosen_avg_rating", "rejected_avg_rating"),
    ("chosen-rating", "rejected-rating"),
)

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Preferred:
    """One pair: the context as it lands, two responses, and FIRST, SECOND or TIE."""

    context: dict[str, Any]
    responses: tuple[str, str]
    winner: str


ReadPairs = Callable[[Mapping[str, Any], Source], list[Preferred]]
"""Reads a record; the source counts what is left out of it. Raises Refused or NotAChat for one without a pair."""


def hh_rlhf(record: Mapping[str, Any], _: Source) -> list[Preferred]:
    """`{"chosen", "rejected"}`: two transcripts of Human and Assistant that differ in the last answer only."""
    chosen, rejected = (_transcript(text_of(record, name)) for name in ("chosen", "rejected"))
    return [_from_conversations(chosen, rejected, FIRST)]


def llmbar(record: Mapping[str, Any], _: Source) -> list[Preferred]:
    """`{"input", "output_1", "output_2", "label"}` with label 1 or 2."""
    responses = (text_of(record, "output_1"), text_of(record, "output_2"))
    return [Preferred(_user_prompt(text_of(record, "input")), responses, _label(record, _LLMBAR))]


def autoj(record: Mapping[str, Any], _: Source) -> list[Preferred]:
    """`{"prompt", "response 1", "response 2", "label"}` with label 0 (first), 1 (second) or 2 (tie)."""
    responses = (_text_of_spaced_field(record, "response 1"), _text_of_spaced_field(record, "response 2"))
    return [Preferred(_user_prompt(text_of(record, "prompt")), responses, _label(record, _AUTOJ))]


def ultrafeedback(record: Mapping[str, Any], source: Source) -> list[Preferred]:
    """`{"prompt", "chosen", "rejected"}` with messages or plain answers, or `{"instruction", "completions"}`.

    Scores of both sides that are equal make a tie. Completions are scored: each two of them are a pair.
    """
    prompt = record.get("prompt", record.get("instruction"))
    if "completions" in record:
        if not isinstance(prompt, str):
            raise Refused("missing_field:prompt" if prompt is None else "wrong_type:prompt")
        answers = rated(record["completions"], source)
        return _pairs(_user_prompt(prompt), answers)
    before = _conversation(prompt, source) if prompt else []
    chosen, rejected = (
        _with_prompt(before, record.get(name, record.get(f"{name}_response")), source)
        for name in ("chosen", "rejected")
    )
    return [_from_conversations(chosen, rejected, _winner_by_scores(record))]


def openai(record: Mapping[str, Any], source: Source) -> list[Preferred]:
    """`{"input": {"messages"}, "preferred_output": [message], "non_preferred_output": [message]}`."""
    given = record.get("input")
    if not isinstance(given, dict):
        raise Refused("missing_field:input" if given is None else "wrong_type:input")
    before = _conversation(given.get("messages"), source)
    preferred, other = (
        [*before, *_answers(record.get(name), source)]
        for name in ("preferred_output", "non_preferred_output")
    )
    return [_from_conversations(preferred, other, FIRST)]


def ranked(record: Mapping[str, Any], source: Source) -> list[Preferred]:
    """`{"prompt", "answers": [{"answer", "rank"}]}`, or `{"prompt", "responses": [text], "ranks": [number]}`.

    Rank 1 is the best; equal ranks are a tie. Each two answers are a pair. A prompt is text, a transcript of Human and
    Assistant, or messages.
    """
    answers = record.get("answers")
    if (
        answers is None
        and isinstance(record.get("responses"), list)
        and isinstance(record.get("ranks"), list)
    ):
        if len(record["responses"]) != len(record["ranks"]):
            raise Refused("fewer_ranks_than_responses")
        answers = [
            {"answer": text, "rank": rank}
            for text, rank in zip(record["responses"], record["ranks"], strict=True)
        ]
    scored = rated(answers, source, text="answer", score="rank", best_is_lowest=True)
    prompt = record.get("prompt")
    if isinstance(prompt, str) and _SPEAKER.match(prompt):
        messages = _transcript(prompt)
        if messages[-1] == {"role": "assistant", "content": ""}:  # where the answer goes on
            messages.pop()
    else:
        messages = _conversation(prompt, source)
    return _pairs(_context(messages), scored)


def _pairs(context: dict[str, Any], answers: list[Answer]) -> list[Preferred]:
    return [
        Preferred(context, (better.text, worse.text), TIE if better.score == worse.score else FIRST)
        for better, worse in pairs_of(answers)
    ]


def _winner_by_scores(record: Mapping[str, Any]) -> str:
    """FIRST (the chosen one), or TIE where both have the same score.

    Raises:
        Refused: the rejected one has the higher score.
    """
    for names in _SCORES:
        chosen, rejected = (score_of(record.get(name)) for name in names)
        if chosen is None or rejected is None:
            continue
        if rejected > chosen:
            raise Refused("score_of_rejected_is_higher")
        return TIE if chosen == rejected else FIRST
    return FIRST


def _from_conversations(chosen: Messages, rejected: Messages, winner: str) -> Preferred:
    """The pair of two conversations that are the same but for the last message, which is the assistant's."""
    for conversation in (chosen, rejected):
        if not conversation or conversation[-1]["role"] != "assistant":
            raise Refused("no_answer_at_the_end")
    if chosen[:-1] != rejected[:-1]:
        raise Refused("different_contexts")
    return Preferred(_context(chosen[:-1]), (chosen[-1]["content"], rejected[-1]["content"]), winner)


def _context(messages: Messages) -> dict[str, Any]:
    system = [message["content"] for message in messages if message["role"] == "system"]
    others = [message for message in messages if message["role"] != "system"]
    return {"messages": others} | ({"system": "\n".join(system)} if system else {})


def _transcript(text: str) -> Messages:
    before, *parts = _SPEAKER.split(text)
    if before.strip() or not parts:
        raise Refused("no_transcript")
    return [
        {"role": _ROLES[who], "content": content.strip()}
        for who, content in zip(parts[::2], parts[1::2], strict=True)
    ]


def _with_prompt(prompt: Messages, value: object, source: Source) -> Messages:
    """A whole conversation: the prompt and an answer, or messages that hold the prompt, its end, or nothing of it."""
    if isinstance(value, str):
        role = "assistant" if prompt else "user"
        return [*prompt, {"role": role, "content": value}]
    if value is None:
        raise Refused("missing_field:chosen_or_rejected")
    messages = _conversation(value, source)
    if messages and messages[0]["role"] == "assistant":
        return [*prompt, *messages]
    # The messages may begin within the prompt, for example after its system message.
    shared = next((n for n in range(len(prompt), 0, -1) if _same(prompt[-n:], messages[:n])), 0)
    return [*prompt[: len(prompt) - shared], *messages] if shared else messages


def _same(some: Messages, others: Messages) -> bool:
    return len(some) == len(others) and all(
        one["role"] == other["role"] and one["content"].strip() == other["content"].strip()
        for one, other in zip(some, others, strict=True)
    )


def _answers(value: object, source: Source) -> Messages:
    """The messages of one side of a pair.

    Raises:
        Refused: there are none, or its answer is a call of a tool.
    """
    if value is None:
        raise Refused("missing_field:preferred_output_or_non_preferred_output")
    return (
        [{"role": "assistant", "content": value}] if isinstance(value, str) else _conversation(value, source)
    )


def _conversation(value: object, source: Source) -> Messages:
    """Messages as they were served: tool traffic and reasoning left out and counted. Plain text is the user's message.

    Raises:
        Refused, NotAChat: these are no messages; or what would be the answer is a call of a tool.
    """
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    given = [value] if isinstance(value, dict) else value
    if not isinstance(given, list) or not given:
        raise Refused("missing_field:messages" if value is None else "wrong_type:messages")
    messages: Messages = []
    is_call = False
    for message in given:
        if not isinstance(message, dict):
            raise Refused("wrong_type:message")
        kind = kind_of_role(message.get("role"))
        if kind == "tool":
            source.skipped["tool"] += 1
            is_call = False
            continue
        said = served("character" if kind == "character" else "user", message, source, message.get("content"))
        is_call = said is None and bool(message.get("tool_calls") or message.get("function_call"))
        if said is not None:
            role = {"character": "assistant", "instructions": "system"}.get(kind, "user")
            messages.append({"role": role, "content": said.text})
    if is_call:
        raise Refused("answer_is_a_tool_call")
    return messages


def _user_prompt(prompt: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": prompt}]}


def _text_of_spaced_field(record: Mapping[str, Any], name: str) -> str:
    """A field whose name holds a space, which a reason may not."""
    value = record.get(name)
    if not isinstance(value, str):
        raise Refused(f"{'missing_field' if value is None else 'wrong_type'}:{name.replace(' ', '_')}")
    return value


def _label(record: Mapping[str, Any], known: Mapping[str, str]) -> str:
    value = record.get("label")
    if isinstance(value, bool) or str(value) not in known:
        raise Refused("missing_field:label" if value is None else "unknown_label")
    return known[str(value)]


FORMATS: Mapping[str, ReadPairs] = {
    "hh-rlhf": hh_rlhf, "llmbar": llmbar, "autoj": autoj, "ultrafeedback": ultrafeedback, "openai": openai,
    "ranked": ranked,
}  # fmt: skip
NATIVE = "native"
"""Our own lines (jobs/annotation/parse.py): taken as they are, positions too."""
