"""Phase I, the verdict: pass, reject or review of one text, one turn in its conversation, or a file of texts.

Paper section 2.2.1 (privacy and safety before anything else) and 2.6. Every failure of a detector rejects or
queues for review: only what all detectors judged can pass.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import itertools
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Literal, cast

from infra.records import Record, read_records
from infra.settings import ScreeningSettings, Settings
from infra.settings.curation import RecogniserSettings
from infra.storage import replacing
from models.screening.detection import Detectors, Findings, Question, attempt, examine
from models.screening.privacy import Span, merge
from models.screening.privacy.cast import CHARACTER_FIRST, Cast
from models.screening.privacy.names import own_name
from models.screening.privacy.span import PRIORITY
from models.screening.privacy.split import conversation_spans
from models.screening.privacy.story import Story
from models.screening.privacy.surrogate import Surrogates
from models.screening.safety import SAFE, SafetyScore
from models.screening.safety.named import safety_models

Ruling = Literal["pass", "review", "reject"]
Field = Literal["user_message", "response"]
_RANK: dict[str, int] = {"pass": 0, "review": 1, "reject": 2}
_FOLLOW_UP = re.compile(
    r"\W*(?:yes|yeah|ok(?:ay)?|sure|go on|continue|more|tell me(?: more)?|do it|next|how|and then|what else|please|"
    r"step \d+|sí|s[ií] claro|sigue|haan|aur|ja|weiter|oui|继续)"
    r"(?:\W+\w+){0,3}\W*",
    re.IGNORECASE,
)
_JOINED_TURNS = 2
_JOINED_CHARS = 600
_FILE_BATCH = 512


@dataclass(frozen=True)
class ScreeningPolicy:
    """What decides a verdict: the settings and the versions of the detectors. Two equal policies judge equally."""

    settings: ScreeningSettings
    detector_versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: ScreeningSettings, detectors: Detectors | None = None) -> ScreeningPolicy:
        """The policy of these settings and detectors (by default the packaged ones)."""
        return cls(settings, dict((detectors or detectors_of(settings)).versions))

    @property
    def policy_version(self) -> str:
        """Hash of settings and detector versions: what a review decision binds to."""
        values = {
            "settings": self.settings.model_dump(mode="json"),
            "detectors": dict(self.detector_versions),
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Verdict:
    """The ruling on one text. `redacted` is the text without its identifiers, None for a rejected text."""

    verdict: Ruling
    reasons: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    safety_category: str | None = None
    safety_score: float | None = None
    redacted: str | None = None
    uncertainty: float = 0.0


@dataclass(frozen=True)
class Turn:
    """One turn to judge: its texts, and the names that its character has or had (see `names.own_name`).

    Attributes:
        character_texts: on the first turn of a conversation the name, traits and instructions of the character, as
            `character_cast` takes them: who is named there is not invented, and has the same number here.
        is_judged: False for a turn that is read only for the people that it names; its verdict means nothing.
    """

    turn_id: str
    user_message: str | None
    response: str
    character_names: tuple[str, ...] = ()
    character_texts: tuple[str, ...] = ()
    is_judged: bool = True


@dataclass(frozen=True)
class TurnVerdict:
    """The ruling on one turn. `is_split`: the turn holds a piece of an identifier that is split over turns."""

    turn_id: str
    verdict: Ruling
    reasons: tuple[str, ...]
    user_message: Verdict
    response: Verdict
    safety_category: str | None
    safety_score: float | None
    uncertainty: float
    is_split: bool = False


@dataclass(frozen=True)
class FileCounts:
    """The texts of a file, counted by verdict, and by each of their reasons."""

    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


@lru_cache(maxsize=2)
def packaged_detectors(use_names: bool = True, safety_model: str = "") -> Detectors:
    """The packaged detectors; `safety_model` names a model in place of the packaged classifier.

    Raises DetectorUnavailable when there is no such model.
    """
    from models.screening.privacy import PrivacyModel

    return Detectors(privacy=PrivacyModel(use_names=use_names), safety=safety_models(safety_model))


def detectors_of(settings: ScreeningSettings) -> Detectors:
    """The detectors that the settings ask for."""
    if not settings.recognisers and not settings.allow:
        return packaged_detectors(settings.use_names, settings.safety_model)
    return _own_detectors(settings.use_names, settings.safety_model, settings.recognisers, settings.allow)


@lru_cache(maxsize=2)
def _own_detectors(
    use_names: bool, safety_model: str, recognisers: tuple[RecogniserSettings, ...], allow: tuple[str, ...]
) -> Detectors:
    """The packaged detectors with the operator's own recognisers and allowed texts."""
    from models.screening.privacy import PrivacyModel
    from models.screening.privacy.custom import Allowed, recogniser

    own = tuple(map(recogniser, recognisers))
    privacy = PrivacyModel(use_names=use_names, recognisers=own, allowed=Allowed(allow))
    return replace(packaged_detectors(use_names, safety_model), privacy=privacy)


def content_hash(key: bytes, user_message: str | None, response: str) -> str:
    """Keyed hash of a turn's texts: a review decision holds for this content only."""
    content = json.dumps([user_message, response], ensure_ascii=False)
    return hmac.new(key, content.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def screen_text(
    text: str,
    policy: ScreeningPolicy,
    *,
    detectors: Detectors | None = None,
    allowed_names: Sequence[str] = (),
    key: bytes = b"",
) -> Verdict:
    """The verdict on one text of any length, which is a conversation of its own.

    Raises DetectorUnavailable when a model cannot be loaded at all.
    """
    chosen = detectors or detectors_of(policy.settings)
    (findings,) = examine([Question(text, tuple(allowed_names))], policy.settings, chosen)
    return ruled(text, findings, policy.settings, cast_of(policy.settings, key))


def screen_turn(
    turn: Turn, context: Sequence[Turn], policy: ScreeningPolicy, *, detectors: Detectors | None = None
) -> TurnVerdict:
    """The verdict on a turn, given the turns of its conversation before it, oldest first."""
    return screen_conversation([*context, turn], policy, detectors=detectors)[-1]


def screen_conversation(
    turns: Sequence[Turn], policy: ScreeningPolicy, *, detectors: Detectors | None = None
) -> list[TurnVerdict]:
    """A verdict for each turn of one conversation, in order."""
    return screen_conversations([turns], policy, detectors=detectors)[0]


def screen_conversations(
    conversations: Sequence[Sequence[Turn]],
    policy: ScreeningPolicy,
    *,
    detectors: Detectors | None = None,
    keys: Sequence[bytes] = (),
) -> list[list[TurnVerdict]]:
    """Verdicts for many conversations at once: texts are judged in one batch and equal texts once.

    A turn is judged with up to `context_turns` turns before it, and with as many after it for identifiers
    that a later turn completes. A person has the same placeholder in all turns of a conversation, counted from its
    first one: give the turns before, too, with `is_judged=False`.

    Args:
        keys: a secret for each conversation, from which invented names are drawn (`screening.redaction`).
    """
    chosen = detectors or detectors_of(policy.settings)
    questions: list[Question] = []
    for turns in conversations:
        for index, turn in enumerate(turns):
            # Whose name it is, also the character's own, shows in the conversation (`story`).
            questions.append(Question(turn.user_message or "", privacy_only=not turn.is_judged))
            questions.append(Question(turn.response, privacy_only=not turn.is_judged))
            # Its identifiers are those of its parts, or split over turns, which a search of its own finds.
            questions.append(Question(_joined(turns, index) if turn.is_judged else "", safety_only=True))
    answers = iter(examine(questions, policy.settings, chosen))
    findings = [[(next(answers), next(answers), next(answers)) for _ in turns] for turns in conversations]
    described = _described(conversations, findings, policy.settings, chosen)
    return [
        _rule_conversation(
            turns,
            found,
            policy.settings,
            cast_of(policy.settings, key, before=described.get(texts_of(turns))),
        )
        for turns, found, key in zip(conversations, findings, keys or itertools.repeat(b""), strict=False)
    ]


def texts_of(turns: Sequence[Turn]) -> tuple[str, ...]:
    """The texts of a conversation's character."""
    return next((turn.character_texts for turn in turns if turn.character_texts), ())


def _described(
    conversations: Sequence[Sequence[Turn]],
    findings: Sequence[Sequence[tuple[Findings, Findings, Findings]]],
    settings: ScreeningSettings,
    detectors: Detectors,
) -> dict[tuple[str, ...], Cast]:
    """The people of characters' texts, for the characters in whose conversations one of them may be named."""
    wanted = {
        texts: None
        for turns, found in zip(conversations, findings, strict=True)
        if (texts := texts_of(turns))
        and any(
            Story(_text(texts)).names_character_text(text, part.spans)
            for turn, (message, response, _) in zip(turns, found, strict=True)
            for text, part in ((turn.user_message or "", message), (turn.response, response))
            if part.spans
        )
    }
    questions = [Question(text, texts[:1], privacy_only=True) for texts in wanted for text in texts]
    answers = iter(examine(questions, settings, detectors)) if questions else iter(())
    return {
        texts: character_cast(texts, [next(answers) for _ in texts], settings, b"")[0] for texts in wanted
    }


def _text(texts: Sequence[str]) -> str:
    """What people wrote about a character, without its name; with what is no name, such as a list of people."""
    return "\n".join(texts[1:] if own_name(texts[0]) else texts) if texts else ""


def character_cast(
    texts: Sequence[str], findings: Sequence[Findings], settings: ScreeningSettings, key: bytes
) -> tuple[Cast, list[Verdict]]:
    """The people of a character's texts (name, traits, instructions, in this order), and the verdict on each text."""
    people = cast_of(settings, key, first=CHARACTER_FIRST)
    return people, [ruled(text, found, settings, people) for text, found in zip(texts, findings, strict=True)]


def _joined(turns: Sequence[Turn], index: int) -> str:
    """The last user messages in one text if this one is a short continuation, else ''.

    A harmful request that is split over messages looks harmless piece by piece.
    """
    message = turns[index].user_message
    if not message or len(message) > _JOINED_CHARS:
        return ""
    earlier = [
        turn.user_message for turn in turns[max(0, index - _JOINED_TURNS) : index] if turn.user_message
    ]
    if not earlier or len(message.split()) > 12 or any(len(text) > _JOINED_CHARS for text in earlier):
        return ""
    return " ".join(" ".join(text.split()).rstrip(".…!? ") for text in [*earlier, message])


def _rule_conversation(
    turns: Sequence[Turn],
    findings: Sequence[tuple[Findings, Findings, Findings]],
    settings: ScreeningSettings,
    people: Cast,
) -> list[TurnVerdict]:
    """The verdicts on one conversation, in which a person has one placeholder, or one invented name."""
    story = Story(_text(texts_of(turns)))
    split_users, split_responses = _split(turns, findings, settings)
    judged: list[TurnVerdict] = []
    for index, (turn, (message, response, _)) in enumerate(zip(turns, findings, strict=True)):
        parts = []
        message = replace(
            message, spans=story.of_user(turn.user_message or "", message.spans, turn.character_names)
        )
        response = replace(
            response, spans=story.of_character(turn.response, response.spans, turn.character_names)
        )
        for text, text_findings, split in (
            (turn.user_message, message, split_users),
            (turn.response, response, split_responses),
        ):
            further = people.further(text or "", text_findings.spans)
            if further:
                text_findings = replace(
                    text_findings, spans=merge([*text_findings.spans, *further], PRIORITY)
                )
            pieces = () if split is None else split.get(index, ())
            if pieces:
                text_findings = replace(text_findings, spans=merge([*text_findings.spans, *pieces], PRIORITY))
            if split is None:
                text_findings = replace(text_findings, errors=tuple(sorted({*text_findings.errors, "split"})))
            verdict = ruled(text or "", text_findings, settings, people)
            if pieces:
                verdict = replace(
                    verdict,
                    reasons=tuple(sorted({*verdict.reasons, *(f"split:{piece.type}" for piece in pieces)})),
                )
            parts.append(verdict)
        in_context = _in_context(turn, findings[: index + 1], settings)
        judged.append(
            _turn_verdict(
                turn,
                parts[0],
                parts[1],
                in_context,
                any(split and split.get(index) for split in (split_users, split_responses)),
            )
        )
    return judged


def _split(
    turns: Sequence[Turn],
    findings: Sequence[tuple[Findings, Findings, Findings]],
    settings: ScreeningSettings,
) -> tuple[dict[int, list[Span]] | None, dict[int, list[Span]] | None]:
    """Spans of identifiers that are split over turns, by index of the turn, in messages and in responses; None where
    the search failed.

    A text that is too long is rejected anyway and is left out.
    """
    users = [
        "" if f.oversize else turn.user_message or "" for turn, (f, _, _) in zip(turns, findings, strict=True)
    ]
    responses = ["" if f.oversize else turn.response for turn, (_, f, _) in zip(turns, findings, strict=True)]
    spans, _ = attempt(
        lambda: conversation_spans(users, responses, settings.context_turns), settings.deadline_seconds
    )
    return spans or (None, None)


def _in_context(
    turn: Turn, findings: Sequence[tuple[Findings, Findings, Findings]], settings: ScreeningSettings
) -> Verdict:
    """What the conversation adds to the last of `findings`: a request that only the last messages form together,
    or a follow-up to an unsafe one.

    Looks at findings, not at rulings, so that a verdict never depends on a chain of earlier verdicts.
    """
    message, _, joined = findings[-1]
    if joined.errors:
        return Verdict(settings.on_detector_error, tuple(f"detector_error:{name}" for name in joined.errors))
    recent = findings[-1 - _JOINED_TURNS : -1]
    # A score that the earlier messages reach without this one is theirs, not this turn's.
    earlier_score = max((max(m.safety.score, j.safety.score) for m, _, j in recent), default=0.0)
    score = joined.safety if joined.safety.score > max(message.safety.score, earlier_score) else SAFE
    text = turn.user_message or ""
    follows = len(text) <= _JOINED_CHARS and _FOLLOW_UP.fullmatch(text) is not None
    if follows and earlier_score >= settings.reject_at and score.score < settings.review_at:
        worst = max((s for m, _, j in recent for s in (m.safety, j.safety)), key=lambda s: s.score)
        score = SafetyScore(worst.category, settings.review_at)
    return _safety_ruling(score, settings, "_in_context")


def _turn_verdict(
    turn: Turn, message: Verdict, response: Verdict, context: Verdict, is_split: bool
) -> TurnVerdict:
    parts = (message, response, context)
    worst = max(parts, key=lambda part: (part.safety_score or 0.0, part.safety_category or ""))
    return TurnVerdict(
        turn_id=turn.turn_id,
        verdict=max((part.verdict for part in parts), key=_RANK.__getitem__),
        reasons=tuple(sorted({reason for part in parts for reason in part.reasons}, key=_reason_order)),
        user_message=message,
        response=response,
        safety_category=worst.safety_category,
        safety_score=worst.safety_score,
        uncertainty=max(part.uncertainty for part in parts),
        is_split=is_split,
    )


def _reason_order(reason: str) -> tuple[int, str]:
    """Sort key: the reason that decided the verdict comes first, because outcomes are counted by it."""
    order = (
        "oversize",
        "unsupported_language",
        "detector_error",
        "unsafe",
        "identifier",
        "unsure",
        "uncertain",
        "split",
    )
    kind = reason.split(":")[0].removesuffix("_in_context")
    return (order.index(kind) if kind in order else len(order), reason)


def _safety_ruling(score: SafetyScore, settings: ScreeningSettings, suffix: str = "") -> Verdict:
    ruling: Ruling = "pass"
    reasons: tuple[str, ...] = ()
    uncertainty = 0.0
    if score.category and score.score >= settings.reject_at:
        ruling, reasons = "reject", (f"unsafe{suffix}:{score.category}",)
    elif score.category and score.score >= settings.review_at:
        ruling, reasons = "review", (f"unsure{suffix}:{score.category}",)
        uncertainty = _nearness(score.score, settings.review_at, settings.reject_at)
    return Verdict(ruling, reasons, (), score.category, score.score, None, uncertainty)


def _nearness(score: float, low: float, high: float) -> float:
    """1 in the middle of the band from `low` to `high`, 0 at its ends."""
    return 1.0 - abs(score - (low + high) / 2) / max((high - low) / 2, 1e-9)


def cast_of(settings: ScreeningSettings, key: bytes, first: int = 1, before: Cast | None = None) -> Cast:
    """Nobody yet, for one conversation; `key` is a secret of it, from which invented names are drawn."""
    return Cast(first, Surrogates(key) if settings.redaction == "surrogate" else None, before)


def ruled(text: str, findings: Findings, settings: ScreeningSettings, people: Cast | None = None) -> Verdict:
    """The verdict of the policy on the findings of one text, whose people are added to those of its conversation."""
    if findings.oversize:
        return Verdict("reject", ("oversize",))
    if findings.errors:
        return Verdict(
            settings.on_detector_error,
            tuple(f"detector_error:{name}" for name in findings.errors),
            uncertainty=1.0,
        )
    if not findings.supported:
        return Verdict("reject", ("unsupported_language",))
    safety = _safety_ruling(findings.safety, settings)
    ruling, reasons, uncertainty = safety.verdict, set(safety.reasons), safety.uncertainty
    if not findings.is_read:
        reasons.add("uncertain:language")
        ruling, uncertainty = max(ruling, "review", key=_RANK.__getitem__), 1.0
    spans = tuple(span for span in findings.spans if span.score >= settings.span_review_at)
    for span in spans:
        if span.score < settings.redact_at:
            reasons.add(f"uncertain:{span.type}")
            ruling = max(ruling, "review", key=_RANK.__getitem__)
            uncertainty = max(uncertainty, _nearness(span.score, settings.span_review_at, settings.redact_at))
        elif span.type in settings.reject_types:
            reasons.add(f"identifier:{span.type}")
            ruling = "reject"
        else:
            reasons.add(f"redacted:{span.type}")
    # Also where it is rejected: what later texts call these people must not depend on it.
    redacted = (people or Cast()).redact(text, spans, findings.language)
    return replace(
        safety,
        verdict=ruling,
        reasons=tuple(sorted(reasons, key=_reason_order)),
        spans=spans,
        redacted=None if ruling == "reject" else redacted,
        uncertainty=uncertainty,
    )


def screen_file(path_in: Path, out: Path | None, settings: Settings) -> FileCounts:
    """Judge `{"id", "text"}` records of a JSON or JSON-lines file, one JSON line out each, in order; returns counts.

    A malformed record gives a line too: verdict reject, reason `malformed_line:` and why, the record's number as id.
    `redacted` is null unless the verdict is pass. Writes to standard output when `out` is None, else the complete file
    or none.

    Raises:
        InputDamaged: a .gz file ends too early or is not gzip, or the file is no UTF-8.
    """
    detectors = detectors_of(settings.screening)
    detectors.load(settings.screening.languages)
    policy = ScreeningPolicy.of(settings.screening, detectors)
    counts = FileCounts()
    records = read_records(path_in, settings.landing.max_line_bytes, settings.landing.max_expansion)
    with _sink(out) as sink:
        while batch := list(islice(records, _FILE_BATCH)):
            for row in _screen_records(batch, policy, detectors):
                counts.verdicts[str(row["verdict"])] += 1
                counts.reasons.update(cast(list[str], row["reasons"]))
                _put(sink, row)
    return counts


@contextmanager
def _sink(out: Path | None) -> Iterator[IO[str]]:
    """Standard output, or a file that appears when it is complete."""
    if out is None:
        yield sys.stdout
        return
    with replacing(out) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", newline="\n")
        yield text
        text.detach()


def _put(sink: IO[str], row: Mapping[str, object]) -> None:
    # json leaves the one control character of ASCII above the printable ones as it is; a terminal obeys it.
    sink.write(json.dumps(row, ensure_ascii=True).replace("\x7f", "\\u007f") + "\n")


def _asked(record: Record) -> tuple[str | int, str] | str:
    """The id and text of a record, or what is wrong with it."""
    if record.value is None:
        return str(record.reason)
    given, text = record.value.get("id"), record.value.get("text")
    if isinstance(given, bool) or not isinstance(given, str | int):
        return "missing_field:id" if given is None else "wrong_type:id"
    if not isinstance(text, str):
        return "missing_field:text" if text is None else "wrong_type:text"
    return given, text


def _screen_records(
    batch: Sequence[Record], policy: ScreeningPolicy, detectors: Detectors
) -> Iterator[dict[str, object]]:
    rows = [(record.number, _asked(record)) for record in batch]
    questions = [Question(row[1]) for _, row in rows if not isinstance(row, str)]
    findings = iter(examine(questions, policy.settings, detectors))
    for number, row in rows:
        if isinstance(row, str):
            yield {
                "id": number,
                "verdict": "reject",
                "reasons": [f"malformed_line:{row}"],
                "spans": [],
                "redacted": None,
            }
            continue
        people = cast_of(policy.settings, f"{row[0]}".encode())
        verdict = ruled(row[1], next(findings), policy.settings, people)
        yield {
            "id": row[0],
            "verdict": verdict.verdict,
            "reasons": list(verdict.reasons),
            "spans": [
                {"start": span.start, "end": span.end, "type": span.type, "score": round(span.score, 4)}
                for span in verdict.spans
            ],
            "redacted": verdict.redacted if verdict.verdict == "pass" else None,
        }
