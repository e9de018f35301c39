"""How other makers write preferences: each reads one record as a context, two responses and which one is preferred."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.annotation.parse import text_of
from jobs.landing.lines import Refused

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
    return _of_conversations(chosen, rejected, FIRST)


def llmbar(record: Mapping[str, Any]) -> Preferred:
    """`{"input", "output_1", "output_2", "label"}` with label 1 or 2. Raises Refused."""
    responses = (text_of(record, "output_1"), text_of(record, "output_2"))
    return Preferred(_asked(text_of(record, "input")), responses, _label(record, _LLMBAR))


def autoj(record: Mapping[str, Any]) -> Preferred:
    """`{"prompt", "response 1", "response 2", "label"}` with label 0 (first), 1 (second) or 2 (tie). Raises Refused."""
    responses = (_spaced(record, "response 1"), _spaced(record, "response 2"))
    return Preferred(_asked(text_of(record, "prompt")), responses, _label(record, _AUTOJ))


def ultrafeedback(record: Mapping[str, Any]) -> Preferred:
    """`{"prompt", "chosen", "rejected"}` with messages or plain answers, or `{"instruction", "completions"}`.

    Completions are scored: the best and the worst are taken; equal scores are a tie.

    Raises:
        Refused: neither of the two, or the conversations differ before the last answer.
    """
    if "completions" in record:
        return _of_completions(record)
    prompt = record.get("prompt")
    asked = _conversation(prompt, None) if prompt else []
    chosen, rejected = (_conversation(record.get(name), asked) for name in ("chosen", "rejected"))
    return _of_conversations(chosen, rejected, FIRST)


def _of_completions(record: Mapping[str, Any]) -> Preferred:
    completions = record["completions"]
    if not isinstance(completions, list) or len(completions) < 2:
        raise Refused("fewer_than_two_completions")
    scored = []
    for one in completions:
        if not isinstance(one, dict):
            raise Refused("wrong_type:completions")
        score = one.get("overall_score", one.get("score"))
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise Refused("missing_field:overall_score" if score is None else "wrong_type:overall_score")
        scored.append((float(score), text_of(one, "response")))
    best, worst = max(scored, key=lambda one: one[0]), min(scored, key=lambda one: one[0])
    if best[0] == worst[0]:
        best, worst = scored[:2]
    name = "instruction" if "instruction" in record else "prompt"
    return Preferred(
        _asked(text_of(record, name)), (best[1], worst[1]), TIE if best[0] == worst[0] else FIRST
    )


def _of_conversations(chosen: list[dict[str, str]], rejected: list[dict[str, str]], winner: str) -> Preferred:
    """The pair of two conversations that are the same but for the last message, which is the assistant's."""
    for said in (chosen, rejected):
        if not said or said[-1]["role"] != "assistant":
            raise Refused("no_answer_at_the_end")
    if chosen[:-1] != rejected[:-1]:
        raise Refused("different_contexts")
    system = [one["content"] for one in chosen[:-1] if one["role"] == "system"]
    messages = [one for one in chosen[:-1] if one["role"] != "system"]
    context = {"messages": messages} | ({"system": "\n".join(system)} if system else {})
    return Preferred(context, (chosen[-1]["content"], rejected[-1]["content"]), winner)


def _transcript(text: str) -> list[dict[str, str]]:
    before, *said = _SPEAKER.split(text)
    if before.strip() or not said:
        raise Refused("no_transcript")
    return [
        {"role": _ROLES[who], "content": content.strip()}
        for who, content in zip(said[::2], said[1::2], strict=True)
    ]


def _conversation(value: object, asked: list[dict[str, str]] | None) -> list[dict[str, str]]:
    """Messages as they are; plain text is the user's when nothing was asked yet, else the answer to what was."""
    if isinstance(value, str):
        return (
            [{"role": "user", "content": value}]
            if asked is None
            else [*asked, {"role": "assistant", "content": value}]
        )
    if not isinstance(value, list) or not value:
        raise Refused("missing_field:chosen_or_rejected" if value is None else "wrong_type:messages")
    said = []
    for one in value:
        if not isinstance(one, dict) or not isinstance(one.get("content"), str):
            raise Refused("wrong_type:messages")
        if one.get("role") not in ("system", "user", "assistant"):
            raise Refused("unknown_role")
        said.append({"role": str(one["role"]), "content": str(one["content"])})
    # Some makers leave the prompt out of the messages.
    return [*asked, *said] if asked and len(said) == 1 else said


def _asked(prompt: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": prompt}]}


def _spaced(record: Mapping[str, Any], name: str) -> str:
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
