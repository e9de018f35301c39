"""The public safety sets as labelled conversations, and the hash split that keeps tuning and judging apart.

Nothing here is tuned: every set gives all its rows, and half of its source prompts (by hash of the prompt, the
template, the contrast pair or the conversation that rows share) are held out from rules, training and thresholds.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from models.screening.verdict import Turn

Half = Literal["tune", "held_out"]
_HH_TURN = re.compile(r"\n\n(Human|Assistant): ")
_DO_NOT_ANSWER = {
    "discrimination_exclusion_toxicity_hateful_offensive": "S10",
    "human_chatbox": "S12",
    "information_hazard": "S7",
    "malicious_uses": "S2",
    "misinformation": "S6",
}
_HARMBENCH = {
    "chemical_biological": "S9",
    "illegal": "S2",
    "cybercrime_intrusion": "S14",
    "misinformation_disinformation": "S13",
    "harmful": "S1",
    "harassment_bullying": "S10",
    "copyright": "S8",
}
_DIASAFETY = {
    "Offending User": "S10",
    "Toxicity Agreement": "S10",
    "Biased Opinion": "S10",
    "Risk Ignorance": "S11",
    "Unauthorized Expertise": "S6",
}
_LANGUAGES = {"spanish": "es", "french": "fr", "german": "de"}


@dataclass(frozen=True)
class Example:
    """One labelled conversation: the last turn is the one the label is about, unless the set labels the whole."""

    dataset: str
    group: str
    turns: tuple[Turn, ...]
    unsafe: bool
    category: str | None = None
    language: str = "en"
    whole: bool = False

    @property
    def half(self) -> Half:
        """By hash of the source prompt: rows made from one prompt stay together."""
        digest = hashlib.sha256(f"safety-1/{self.dataset}/{self.group}".encode()).digest()
        return "tune" if digest[0] < 128 else "held_out"

    @property
    def text(self) -> str:
        """What the labelled turn says, the user's message and the response a line each."""
        return "\n".join(part for part in (self.turns[-1].user_message, self.turns[-1].response) if part)


def message(text: str, response: str = "", name: str = "t") -> Turn:
    """A turn with a user message."""
    return Turn(name, text, response)


def _lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from file


def _csv(path: Path) -> Iterator[dict[str, str]]:
    return csv.DictReader(_lines(path))


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in _lines(path))


def xstest(data: Path) -> Iterator[Example]:
    """Safe prompts that look unsafe and their unsafe contrasts; both of one focus word stay in one half."""
    for row in _csv(data / "xstest" / "xstest_prompts.csv.gz"):
        unsafe = row["label"] == "unsafe"
        yield Example("xstest", row["focus"] or row["prompt"], (message(row["prompt"]),), unsafe)


def do_not_answer(data: Path) -> Iterator[Example]:
    """Prompts that a responsible model declines."""
    for row in _json_lines(data / "do_not_answer" / "do_not_answer.jsonl.gz"):
        category = next((c for area, c in _DO_NOT_ANSWER.items() if row["harm_area"].startswith(area)), None)
        yield Example("do_not_answer", row["prompt"], (message(row["prompt"]),), True, category)


def harmbench(data: Path) -> Iterator[Example]:
    """Harmful behaviours; with the context the behaviour refers to."""
    for row in _csv(data / "harmbench" / "harmbench_behaviors_text_all.csv.gz"):
        text = f"{row['ContextString']}\n\n{row['Behavior']}".strip()
        yield Example(
            "harmbench", row["Behavior"], (message(text),), True, _HARMBENCH.get(row["SemanticCategory"])
        )


def toxicchat(data: Path) -> Iterator[Example]:
    """Real prompts that were labelled toxic."""
    for row in _json_lines(data / "toxicchat_positives" / "toxicchat.jsonl.gz"):
        yield Example("toxicchat", row["Prompt"][:80], (message(row["Prompt"]),), True)


def mhj(data: Path) -> Iterator[Example]:
    """Human multi-turn jailbreaks: every conversation is an attack, no single turn need be."""
    turns: dict[str, list[Turn]] = {}
    for row in _json_lines(data / "mhj_multiturn" / "mhj.jsonl.gz"):
        turns.setdefault(row["ID"].rsplit("-", 1)[0], []).append(message(row["Prompt"], name=row["ID"]))
    for conversation, dialogue in turns.items():
        yield Example("mhj", conversation, tuple(dialogue), True, whole=True)


def convabuse(data: Path) -> Iterator[Example]:
    """Users and bots: abusive where most annotators say at most -1 of the scale 1 … -3."""
    for part in ("train", "valid"):
        for row in _csv(data / "convabuse" / f"ConvAbuseEMNLP{part}.csv.gz"):
            votes = [
                level
                for name, value in row.items()
                if value in ("1", "1.0") and (match := re.fullmatch(r"Annotator\d_is_abuse\.(-?\d)", name))
                for level in [int(match.group(1))]
            ]
            if not votes or not row["user"]:
                continue
            before = message(row["prev_user"], response=row["agent"], name="before")
            yield Example(
                "convabuse",
                row["conv_id"],
                (before, message(row["user"])),
                2 * sum(vote < 0 for vote in votes) > len(votes),
                "S10",
            )


def diasafety(data: Path) -> Iterator[Example]:
    """A response that is unsafe given what it answers."""
    with gzip.open(data / "diasafety" / "val.json.gz", "rt", encoding="utf-8") as file:
        rows = json.load(file)
    for row in rows:
        yield Example(
            "diasafety",
            row["context"],
            (message(row["context"], response=row["response"]),),
            row["label"] == "Unsafe",
            _DIASAFETY.get(row["category"]),
        )


def hatecheck(data: Path) -> Iterator[Example]:
    """Templated hate and its non-hateful contrasts in Spanish, French and German; a template stays in one half."""
    for name, tag in _LANGUAGES.items():
        for row in _csv(data / "multilingual_hatecheck" / f"hatecheck_cases_final_{name}.csv.gz"):
            unsafe = row["label_gold"] == "hateful"
            yield Example(
                f"hatecheck_{tag}",
                row["ref_templ_id"] or row["templ_id"],
                (message(row["test_case"]),),
                unsafe,
                "S10",
                tag,
            )


def hatemoji(data: Path) -> Iterator[Example]:
    """Hate with emoji and perturbed contrasts; an original and its perturbation stay in one half."""
    for row in _csv(data / "hatemoji" / "HatemojiBuild_test.csv.gz"):
        pair = "-".join(sorted((row["entry_id"], row["matched_id"])))
        yield Example("hatemoji", pair, (message(row["text"]),), row["label_gold"] == "1", "S10")


def hh_rlhf(data: Path) -> Iterator[Example]:
    """Red-team conversations in two versions; `unsafe` marks the answer that people liked less."""
    for row in _json_lines(data / "hh_rlhf" / "test.jsonl.gz"):
        prompt = row["chosen"][:120]
        for kind in ("chosen", "rejected"):
            yield Example("hh_rlhf", prompt, tuple(_hh_turns(row[kind])), kind == "rejected", whole=True)


def _hh_turns(text: str) -> Iterator[Turn]:
    parts = _HH_TURN.split(text)[1:]
    messages = list(zip(parts[::2], parts[1::2], strict=True))
    for index, (speaker, content) in enumerate(messages):
        if speaker == "Human":
            answer = (
                messages[index + 1][1]
                if index + 1 < len(messages) and messages[index + 1][0] == "Assistant"
                else ""
            )
            yield message(content.strip(), response=answer.strip(), name=str(index))


def chat(data: Path) -> Iterator[Example]:
    """Ordinary chat in five languages: what a review costs. Red-team logs are left out."""
    for path in sorted((data / "chatlogs").glob("*.jsonl.gz")):
        if path.name.startswith("hh_rlhf"):
            continue
        for row in _json_lines(path):
            turns = tuple(_chat_turns(row["messages"]))
            if turns:
                yield Example("chat", row["conversation_id"], turns, False, None, row["language"], whole=True)


def _chat_turns(messages: list[dict[str, Any]]) -> Iterator[Turn]:
    waiting: str | None = None
    for number, message in enumerate(messages):
        if message["role"] == "user":
            if waiting is not None:
                yield Turn(str(number), waiting, "")
            waiting = message["content"]
        else:
            yield Turn(str(number), waiting, message["content"])
            waiting = None
    if waiting is not None:
        yield Turn("last", waiting, "")


SETS = (
    xstest, do_not_answer, harmbench, toxicchat, mhj, convabuse, diasafety, hatecheck, hatemoji, hh_rlhf, chat,
)  # fmt: skip


def load(data: Path) -> list[Example]:
    """Every set that is there."""
    examples: list[Example] = []
    for reader in SETS:
        try:
            examples += reader(data)
        except FileNotFoundError:
            continue
    return examples
