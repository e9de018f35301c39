"""Find personal identifiers in texts of any length: apply rules to every view of a text, and find names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from models.screening.privacy import (
    addresses,
    coordinates,
    documents,
    handles,
    names,
    network,
    numbers,
    payments,
    personal,
    secrets,
    web,
)
from models.screening.privacy.custom import Allowed, Recogniser
from models.screening.privacy.disguise import DISGUISES
from models.screening.privacy.prefilter import SPELLED, SPOKEN, Gate
from models.screening.privacy.rule import Rule
from models.screening.privacy.span import PRIORITY, Span, merge, placeholders, redact
from models.screening.privacy.spoken import SPOKEN_WORDS, spoken_digits
from models.screening.privacy.view import View, joined_letters, normalised

ENTITY_TYPES = frozenset(PRIORITY)
VERSION = "privacy-8"
_MAX_ROUNDS = 4


RULES: tuple[Rule, ...] = tuple(
    rule
    for module in (
        numbers,
        web,
        network,
        payments,
        documents,
        coordinates,
        secrets,
        handles,
        personal,
        addresses,
    )
    for rule in module.RULES
)
_RULE_BITS = (1 << len(RULES)) - 1
# The further views, each with the bit of a mask that announces it.
_READINGS = (
    *((1 << len(RULES) + place, disguise.read) for place, disguise in enumerate(DISGUISES)),
    (SPELLED, joined_letters),
    (SPOKEN, spoken_digits),
)


@lru_cache(maxsize=1)
def gate() -> Gate:
    """The prefilter of all rules and views; bit i of a mask is `RULES[i]`, then come the views of `DISGUISES`."""
    needs = [*(rule.need for rule in RULES), *(disguise.needs for disguise in DISGUISES)]
    return Gate(needs, SPOKEN_WORDS)


def joined_views(bases: Sequence[View]) -> list[View | None]:
    """Each view with its spelled-out tokens joined, None where there are none."""
    masks = gate().masks([base.text for base in bases])
    return [joined_letters(base) if mask & SPELLED else None for base, mask in zip(bases, masks, strict=True)]


def deepest_views(texts: Sequence[str]) -> list[View]:
    """The last view of each text: with spoken digits written, else with spelled-out tokens joined, else normalised."""
    bases = [normalised(text) for text in texts]
    views = []
    for base, mask in zip(bases, gate().masks([base.text for base in bases]), strict=True):
        spoken = spoken_digits(base) if mask & SPOKEN else None
        joined = joined_letters(base) if spoken is None and mask & SPELLED else None
        views.append(spoken or joined or base)
    return views


def _on_original(view: View, spans: list[Span]) -> list[Span]:
    if view.starts is None:
        return spans
    return [Span(*view.original(span.start, span.end), span.type, span.score) for span in spans]


def rule_spans(texts: Sequence[str]) -> dict[int, list[Span]]:
    """Index of a text to the identifiers that rules find on any view of it, in original offsets, not merged.

    Only the rules and views that the prefilter selects are evaluated.
    """
    bases = {index: normalised(text) for index, text in enumerate(texts) if not text.isascii()}
    masks = gate().masks([bases[i].text if i in bases else text for i, text in enumerate(texts)])
    spans_by_text: dict[int, list[Span]] = {}
    for index, mask in enumerate(masks):
        spans = _spans(bases.get(index) or View(texts[index]), mask) if mask else []
        if spans:
            spans_by_text[index] = spans
    return spans_by_text


def _spans(base: View, mask: int) -> list[Span]:
    spans = _on_original(base, _matching(base.text, mask))
    for view, view_mask in _further_views(base, mask):
        spans += _on_original(view, _matching(view.text, view_mask))
    return spans


def _further_views(
    base: View, mask: int, first: int = 0, is_last: bool = False
) -> Iterator[tuple[View, int]]:
    """The further views that the mask of a view announces, and those of each of them, with their masks."""
    for place, (bit, read) in enumerate(_READINGS[first:], start=first):
        view = read(base) if mask & bit else None
        if view is not None:
            (view_mask,) = gate().masks([view.text])
            yield view, view_mask
            if not is_last:
                yield from _further_views(view, view_mask, place + 1, is_last=True)


def _matching(text: str, mask: int) -> list[Span]:
    spans: list[Span] = []
    remaining = mask & _RULE_BITS
    while remaining:
        lowest = remaining & -remaining
        spans += RULES[lowest.bit_length() - 1].spans(text)
        remaining ^= lowest
    return spans


def _outside_placeholders(text: str, spans: Sequence[Span]) -> list[Span]:
    redacted = placeholders(text)
    if not redacted:
        return list(spans)
    clear: list[Span] = []
    for span in spans:
        # Of a span that overlaps a placeholder, keep the part before or after it.
        start, end = span.start, span.end
        for left, right in redacted:
            if start < right and left < end:
                start, end = (right, end) if start >= left else (start, left)
        if end - start >= 2 and text[start:end].strip(" ,.;:-()\n"):
            clear.append(Span(start, end, span.type, span.score))
    return clear


_NOTHING_ALLOWED = Allowed()


@dataclass(frozen=True)
class PrivacyModel:
    """Rules and name models together. `use_names=False` uses the rules only.

    `recognisers` and `allowed` are the operator's own; they change the settings, and so the policy, not the version.
    """

    use_names: bool = True
    version: str = VERSION
    recognisers: tuple[Recogniser, ...] = ()
    allowed: Allowed = _NOTHING_ALLOWED

    def load(self, languages: Sequence[str]) -> None:
        """Load every model, the prefilter included. Raises DetectorUnavailable when one is missing."""
        rule_spans([""])
        if self.use_names:
            names.load(languages)

    def find(
        self, texts: Sequence[str], languages: Sequence[str], allowed_names: Sequence[Sequence[str]] = ()
    ) -> list[tuple[Span, ...]]:
        """Merged spans of each text, in text order.

        `languages[i]` is a BCP-47 tag; `allowed_names[i]` are names of the character. The search is repeated on
        the redacted text until it finds nothing more.
        """
        allowed = allowed_names or [()] * len(texts)
        spans_by_text = self._once(texts, languages, allowed)
        unsettled = [index for index, spans in enumerate(spans_by_text) if spans]
        for _ in range(_MAX_ROUNDS):
            if not unsettled:
                return spans_by_text
            further = self._once(
                [redact(texts[index], spans_by_text[index]) for index in unsettled],
                [languages[index] for index in unsettled],
                [allowed[index] for index in unsettled],
            )
            changed = [(index, more) for index, more in zip(unsettled, further, strict=True) if more]
            for index, more in changed:
                before = [_before_redaction(span, spans_by_text[index]) for span in more]
                spans_by_text[index] = merge([*spans_by_text[index], *before], PRIORITY)
            unsettled = [index for index, _ in changed]
        for index in unsettled:
            # Redact a text completely if the search still finds more after the last round.
            spans = spans_by_text[index]
            spans_by_text[index] = (
                Span(0, len(texts[index]), spans[0].type, max(span.score for span in spans)),
            )
        return spans_by_text

    def _once(
        self, texts: Sequence[str], languages: Sequence[str], allowed: Sequence[Sequence[str]]
    ) -> list[tuple[Span, ...]]:
        spans_by_text = rule_spans(texts)
        for index, found in self._recognised(texts, languages):
            spans_by_text.setdefault(index, []).extend(found)
        if self.use_names:
            views = [normalised(text) for text in texts]
            for index, spans in enumerate(names.name_spans([view.text for view in views], languages)):
                if spans:
                    spans_by_text.setdefault(index, []).extend(_on_original(views[index], spans))
        merged: list[tuple[Span, ...]] = [()] * len(texts)
        for index, spans in spans_by_text.items():
            identifying = self.allowed.without(
                texts[index], names.without_allowed(texts[index], spans, allowed[index])
            )
            merged[index] = merge(_outside_placeholders(texts[index], identifying), PRIORITY)
        return merged

    def _recognised(self, texts: Sequence[str], languages: Sequence[str]) -> Iterator[tuple[int, list[Span]]]:
        """Index and spans of each text in which an own recogniser finds something."""
        for index, text in enumerate(texts) if self.recognisers else ():
            view = normalised(text)
            for recogniser in self.recognisers:
                if recogniser.reads(languages[index]) and (spans := list(recogniser.rule.spans(view.text))):
                    yield index, _on_original(view, spans)


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
