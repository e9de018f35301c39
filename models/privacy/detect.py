"""Finds personal identifiers in texts of any length: rules on every view of the text, then names on what remains."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.privacy import names
from models.privacy.numbers import number_spans
from models.privacy.patterns import pattern_spans
from models.privacy.personal import personal_spans
from models.privacy.span import Span, merge, placeholders, redact
from models.privacy.view import View, normalised, views

# Which type a merged span takes: the one that would do most harm.
PRIORITY = (
    "API_KEY", "PASSWORD", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "US_ITIN", "IN_AADHAAR", "IN_PAN", "ES_NIF", "ES_NIE",
    "IT_FISCAL_CODE", "FR_NIR", "DE_TAX_ID", "UK_NINO", "UK_NHS", "BR_CPF", "CN_RESIDENT_ID", "US_PASSPORT", "IN_PASSPORT",
    "US_DRIVER_LICENSE", "US_BANK_NUMBER", "IN_VOTER", "NATIONAL_ID", "IN_VEHICLE_REGISTRATION", "CRYPTO", "EMAIL_ADDRESS", "IP_ADDRESS",
    "MAC_ADDRESS", "URL", "DATE_TIME", "LOCATION", "PHONE_NUMBER", "PERSON",
)  # fmt: skip
ENTITY_TYPES = frozenset(PRIORITY)
VERSION = "privacy-2"
# No rule can match a text without a digit, a sign of these, a cue word or a long token.
_MAYBE = re.compile(
    r"\d|@|://|\.\w|[(\[{<_]\s?(?:at|dot|arroba)\b|\b(?:at|arroba|chiocciola|dot|punto)\b|[A-Za-z0-9_/+=\-]{16}"
    r"|name|call|llam|nombre|hei(?:ß|ss)|chiam|nome|appel|\bnom\b|na+m\b|pass|pwd|\bpin\b|contraseña|clave|mot de|key|secret|token|bearer|\botp\b"
    r"|\b(?:mr|mrs|ms|miss|mx|dr|prof|sra?|srta|herr|frau|signora?|monsieur|madame|mme|shri|smt)\b|signed|sincerely"
    r"|\S \S \S \S \S \S(?!\S)",
    re.IGNORECASE,
)
_MAX_ROUNDS = 4


def maybe_identifying(text: str) -> bool:
    """The prefilter: False only for texts in which no rule can match (any non-ASCII text is let through)."""
    return not text.isascii() or _MAYBE.search(text) is not None or _DIGIT_WORD_PAIR.search(text) is not None


_DIGIT_WORD_PAIR = re.compile(
    r"\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|null|cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve"
    r"|ek|do|teen|tin|cha+r|pa+nch|chhe|cheh|chhah|sa+t|a+th|nau|shunya|sifar|nought|due|tre|quattro|cinque|sei|sette|otto|nove"
    r"|eins|ein|zwei|zwo|drei|vier|sechs|sieben|acht|neun|un|une|deux|trois|quatre|cinq|six|sept|huit|neuf|double|triple|dabal|doble)\b\W{1,3}"
    r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|null|cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve"
    r"|ek|do|teen|tin|cha+r|pa+nch|chhe|cheh|chhah|sa+t|a+th|nau|shunya|sifar|nought|due|tre|quattro|cinque|sei|sette|otto|nove"
    r"|eins|ein|zwei|zwo|drei|vier|sechs|sieben|acht|neun|un|une|deux|trois|quatre|cinq|six|sept|huit|neuf|double|triple|dabal|doble)\b",
    re.IGNORECASE,
)


def _on_original(view: View, spans: Sequence[Span]) -> list[Span]:
    return [Span(*view.original(span.start, span.end), span.type, span.score) for span in spans]


def rule_spans(text: str) -> list[Span]:
    """Identifiers found by rules on every view of the text, on original offsets, not merged."""
    if not maybe_identifying(text):
        return []
    found: list[Span] = []
    seen: set[str] = set()
    for view in views(text):
        if view.text in seen:
            continue
        seen.add(view.text)
        spans = [*number_spans(view.text), *pattern_spans(view.text), *personal_spans(view.text)]
        found += _on_original(view, spans)
    return found


def _outside_placeholders(text: str, spans: Sequence[Span]) -> list[Span]:
    kept = placeholders(text)
    if not kept:
        return list(spans)
    clear: list[Span] = []
    for span in spans:
        # A span that only runs into a placeholder keeps the part before or after it.
        start, end = span.start, span.end
        for left, right in kept:
            if start < right and left < end:
                start, end = (right, end) if start >= left else (start, left)
        if end - start >= 2 and text[start:end].strip(" ,.;:-()\n"):
            clear.append(Span(start, end, span.type, span.score))
    return clear


@dataclass(frozen=True)
class PrivacyModel:
    """Rules and names together. `use_names=False` leaves the name models out (rules only)."""

    use_names: bool = True
    version: str = VERSION

    def load(self, languages: Sequence[str]) -> None:
        """Load every model. Raises DetectorUnavailable when one is missing."""
        if self.use_names:
            names.load(languages)

    def find(
        self, texts: Sequence[str], languages: Sequence[str], allowed_names: Sequence[Sequence[str]] = ()
    ) -> list[tuple[Span, ...]]:
        """Merged spans of each text, in order of place.

        `languages[i]` is a BCP-47 tag; `allowed_names[i]` are names that identify no user. Redacting what is
        found leaves a text in which nothing more is found: the search is repeated on the redacted text
        until that holds.
        """
        allowed = allowed_names or [()] * len(texts)
        found = self._once(texts, languages, allowed)
        for index in [index for index, spans in enumerate(found) if spans]:
            found[index] = self._settled(texts[index], languages[index], allowed[index], found[index])
        return found

    def _once(
        self, texts: Sequence[str], languages: Sequence[str], allowed: Sequence[Sequence[str]]
    ) -> list[tuple[Span, ...]]:
        raw = [rule_spans(text) for text in texts]
        if self.use_names:
            plain = [normalised(text) for text in texts]
            found = names.name_spans([view.text for view in plain], languages)
            for spans, view, more in zip(raw, plain, found, strict=True):
                spans += _on_original(view, more)
        return [
            merge(_outside_placeholders(text, names.without_allowed(text, spans, those)), PRIORITY)
            for text, spans, those in zip(texts, raw, allowed, strict=True)
        ]

    def _settled(
        self, text: str, language: str, allowed: Sequence[str], spans: tuple[Span, ...]
    ) -> tuple[Span, ...]:
        for _ in range(_MAX_ROUNDS):
            redacted = redact(text, spans)
            (more,) = self._once([redacted], [language], [allowed])
            if not more:
                return spans
            spans = merge([*spans, *(_before_redaction(span, spans) for span in more)], PRIORITY)
        # A text that still does not settle is taken out whole rather than left half redacted.
        return (Span(0, len(text), spans[0].type, max(span.score for span in spans)),)


def _before_redaction(span: Span, replaced: Sequence[Span]) -> Span:
    """A span of the redacted text as a span of the text before `replaced` became placeholders."""

    def back(position: int) -> int:
        shift = 0
        for earlier in replaced:
            size = len(earlier.type) + 2
            if position < earlier.start + shift + size:
                break
            shift += size - (earlier.end - earlier.start)
        return position - shift

    return Span(back(span.start), back(span.end - 1) + 1, span.type, span.score)
