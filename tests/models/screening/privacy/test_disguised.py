"""Disguised identifiers, social handles and split identifiers are held; harmless look-alikes pass.

The probes in `probes/` are ours, with invented identifiers. Odd lines of a kind were read while rules were made, even
lines when they were done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.settings import ScreeningSettings
from models.screening.verdict import ScreeningPolicy, Turn, Verdict, screen_conversations

PROBES = Path(__file__).parent / "probes"
POLICY = ScreeningPolicy.of(ScreeningSettings())
_COVERED = 0.8
"""Share of the letters and digits of a secret that must be hidden."""


class Text(NamedTuple):
    """A message and the ranges of what must not stay readable in it."""

    text: str
    secrets: tuple[tuple[int, int], ...]


class Probe(NamedTuple):
    """A conversation, the messages of the user and the character in turn."""

    kind: str
    is_read: bool
    messages: tuple[Text, ...]

    @property
    def turns(self) -> list[Turn]:
        """The messages as turns."""
        texts = [message.text for message in self.messages]
        answers = [*texts[1::2], "ok"]
        return [Turn(str(n), user, answers[n]) for n, user in enumerate(texts[::2])]


def _message(written: str) -> Text:
    text, secrets = "", []
    for part in re.split(r"(⟦[^⟧]*⟧)", written.replace("\\n", "\n").replace("\\t", "\t")):
        if part.startswith("⟦"):
            secrets.append((len(text), len(text) + len(part) - 2))
            part = part[1:-1]
        text += part
    return Text(text, tuple(secrets))


def probes(name: str) -> Iterator[Probe]:
    """The probes of a file."""
    seen: dict[str, int] = {}
    for line in (PROBES / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("# "):
            continue
        kind, _, written = line.rpartition("\t")
        seen[kind] = seen.get(kind, 0) + 1
        messages = written.split(" / ") if "split" in name else [written]
        yield Probe(kind, seen[kind] % 2 == 1, tuple(map(_message, messages)))


def hides(verdict: Verdict, message: Text) -> bool:
    """Whether the verdict on a message leaves none of its secrets readable."""
    if verdict.verdict != "pass":
        return True
    for start, end in message.secrets:
        signs = [place for place in range(start, end) if message.text[place].isalnum()]
        hidden = sum(any(span.start <= place < span.end for span in verdict.spans) for place in signs)
        if hidden < _COVERED * len(signs):
            return False
    return True


def outcomes(found: list[Probe]) -> list[tuple[bool, bool]]:
    """Of each probe, whether all its secrets are held, and whether an identifier other than a name is found."""
    answers = []
    for probe, judged in zip(
        found, screen_conversations([probe.turns for probe in found], POLICY), strict=True
    ):
        parts = [part for turn in judged for part in (turn.user_message, turn.response)]
        held = all(
            judged[place // 2].verdict != "pass" or hides(part, message)
            for place, (part, message) in enumerate(zip(parts, probe.messages, strict=False))
            if message.secrets
        )
        kinds = {span.type for part in parts for span in part.spans}
        answers.append((held, bool(kinds - {"PERSON"})))
    return answers


@pytest.mark.parametrize("is_read", [True, False], ids=["read", "kept apart"])
@pytest.mark.parametrize(("name", "least"), [("disguised", 0.9), ("split", 0.9)])
def test_disguised_identifiers_are_held(name: str, least: float, is_read: bool) -> None:
    found = [probe for probe in probes(name) if probe.is_read == is_read]
    held = [held for held, _ in outcomes(found)]
    assert sum(held) >= least * len(held)


def test_further_phrasings_are_held() -> None:
    held = [held for held, _ in outcomes(list(probes("phrasings")))]
    assert sum(held) >= 0.9 * len(held)


@pytest.mark.parametrize("name", ["harmless", "harmless_split"])
def test_harmless_look_alikes_pass(name: str) -> None:
    found = list(probes(name))
    flagged = [
        probe.messages[0].text
        for probe, (_, is_flagged) in zip(found, outcomes(found), strict=True)
        if is_flagged
    ]
    assert len(flagged) <= 0.02 * len(found), flagged
