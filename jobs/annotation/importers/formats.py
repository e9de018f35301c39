"""Readers of preference formats. Each converts one record to a context, two responses and the preferred one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.records import Refused
from jobs.annotation.parse import text_of

FIRST, SECOND, TIE = "first", "second", "tie"
_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}
_LLMBAR = {"1": FIRST, "2": SECOND}
_AUTOJ = {"0": FIRST, "1": SECOND, "2": TIE}


@dataclass(frozen=True)
class Preferred:
    """One record: the context as it lands, two responses, and FIRST, SECOND or TIE."""

    context: dict[str, Any]
    responses: tuple[str, str]
    winner: str


ReadPair = Callable[[Mapping[str, Any]], Preferred]


def hh_rlhf(record: Mapping[str, Any]) -> Preferred:
    """`{"chosen", "rejected"}`: two transcripts of Human and Assistant that differ in the last answer only.

    Raises:
        Refused: no transcripts, or they differ before the last answer.
    """
    chosen, rejected = (_transcript(text_of(record, name)) for name in ("chosen", "rejected"))
    return _from_conversations(chosen, rejected, FIRST)


def llmbar(record: Mapping[str, Any]) -> Preferred:
    """`{"input", "output_1", "output_2", "label"}` with label 1 or 2. Raises Refused."""
    responses = (text_of(record, "output_1"), text_of(record, "output_2"))
    return Preferred(_user_prompt(text_of(record, "input")), responses, _label(record, _LLMBAR))


def autoj(record: Mapping[str, Any]) -> Preferred:
    """`{"prompt", "response 1", "response 2", "label"}` with label 0 (first), 1 (second) or 2 (tie). Raises Refused."""
    responses = (_text_of_spaced_field(record, "response 1"), _text_of_spaced_field(record, "response 2"))
    return Preferred(_user_prompt(text_of(record, "prompt")), responses, _label(record, _AUTOJ))


def ultrafeedback(record: Mapping[str, Any]) -> Preferred:
    """`{"prompt", "chosen", "rejected"}` with messages or plain answers, or `{"instruction", "completions"}`.

    Completions are scored: the best and the worst are taken; equal scores are a tie.

    Raises:
        Refused: neither of the two, or the conversations differ before the last answer.
    """
    if "completions" in record:
        return _from_completions(record)
    prompt = record.get("prompt")
    prompt_messages = _conversation(prompt, None) if prompt else []
    chosen, rejected = (_conversation(record.get(name), prompt_messages) for name in ("chosen", "rejected"))
    return _from_conversations(chosen, rejected, FIRST)


def _from_completions(record: Mapping[str, Any]) -> Preferred:
    completions = record["completions"]
    if not isinstance(completions, list) or len(completions) < 2:
        raise Refused("fewer_than_two_completions")
    scored = []
    for completion in completions:
        if not isinstance(completion, dict):
            raise Refused("wrong_type:completions")
        score = completion.get("overall_score", completion.get("score"))
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise Refused("missing_field:overall_score" if score is None else "wrong_type:overall_score")
        scored.append((float(score), text_of(completion, "response")))
    best, worst = (
        max(scored, key=lambda completion: completion[0]),
        min(scored, key=lambda completion: completion[0]),
    )
    if best[0] == worst[0]:
        best, worst = scored[:2]
    name = "instruction" if "instruction" in record else "prompt"
    return Preferred(
        _user_prompt(text_of(record, name)), (best[1], worst[1]), TIE if best[0] == worst[0] else FIRST
    )


def _from_conversations(
    chosen: list[dict[str, str]], rejected: list[dict[str, str]], winner: str
) -> Preferred:
    """The pair of two conversations that are the same but for the last message, which is the assistant's."""
    for conversation in (chosen, rejected):
        if not conversation or conversation[-1]["role"] != "assistant":
            raise Refused("no_answer_at_the_end")
    if chosen[:-1] != rejected[:-1]:
        raise Refused("different_contexts")
    system = [message["content"] for message in chosen[:-1] if message["role"] == "system"]
    messages = [message for message in chosen[:-1] if message["role"] != "system"]
    context = {"messages": messages} | ({"system": "\n".join(system)} if system else {})
    return Preferred(context, (chosen[-1]["content"], rejected[-1]["content"]), winner)


def _transcript(text: str) -> list[dict[str, str]]:
    before, *parts = _SPEAKER.split(text)
    if before.strip() or not parts:
        raise Refused("no_transcript")
    return [
        {"role": _ROLES[who], "content": content.strip()}
        for who, content in zip(parts[::2], parts[1::2], strict=True)
    ]


def _conversation(value: object, prompt_messages: list[dict[str, str]] | None) -> list[dict[str, str]]:
    """Messages as they are. Plain text is the user's message if there is no prompt, else the answer to the prompt."""
    if isinstance(value, str):
        return (
            [{"role": "user", "content": value}]
            if prompt_messages is None
            else [*prompt_messages, {"role": "assistant", "content": value}]
        )
    if not isinstance(value, list) or not value:
        raise Refused("missing_field:chosen_or_rejected" if value is None else "wrong_type:messages")
    messages = []
    for message in value:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise Refused("wrong_type:messages")
        if message.get("role") not in ("system", "user", "assistant"):
            raise Refused("unknown_role")
        messages.append({"role": str(message["role"]), "content": str(message["content"])})
    # Some data sets leave the prompt out of the messages.
    return [*prompt_messages, *messages] if prompt_messages and len(messages) == 1 else messages


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


FORMATS: Mapping[str, ReadPair] = {
    "hh-rlhf": hh_rlhf, "llmbar": llmbar, "autoj": autoj, "ultrafeedback": ultrafeedback,
}  # fmt: skip
NATIVE = "native"
"""Our own lines (jobs/annotation/parse.py): taken as they are, positions too."""
