"""Run every detector over texts and fail closed: a text that a detector cannot judge gets an error and never passes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeGuard, TypeVar

from infra.errors import DetectorUnavailable
from infra.settings import ScreeningSettings
from models.screening.deadline import Overrun, within
from models.screening.privacy import ENTITY_TYPES, PrivacyModel, Span, merge
from models.screening.privacy.span import PLACEHOLDER, PRIORITY
from models.screening.privacy.split import split_spans
from models.screening.privacy.view import normalised
from models.screening.safety import CATEGORIES, SAFE, LexiconModel, ProfanityModel, SafetyModel, SafetyScore
from models.text.language import Language, identify
from models.text.language.vocabulary import VERSION as VOCABULARY
from models.text.language.vocabulary import Reading, readings

_T = TypeVar("_T")
_Q = TypeVar("_Q")
_LETTER = re.compile(r"[^\W\d_]")
_OTHER_LETTER = re.compile(r"[^\W\d_\u0000-\u024f]")
# Languages of one script that the identifier cannot tell apart: of 133 Hindi sentences it calls 41 Nepali or Marathi.
_DEVANAGARI_ONLY = re.compile(r"[\W\d_\u0000-\u024f\u0900-\u097f]*")
_SURE_LANGUAGE = 0.8
_SHORT_LETTERS = 12
_TAG = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
# Texts that a detector reads under one deadline, before each is read under its own.
_BATCH_TEXTS = 256
_LOADING_SECONDS = 600.0
# Each text that runs out of time halves the patience with the rest of its batch, down to this part of it.
_LEAST_PATIENCE = 1 / 64


class PrivacyDetector(Protocol):
    """Finds identifier spans; see `models.screening.privacy.PrivacyModel`."""

    @property
    def version(self) -> str:
        """Changes whenever the answers may change."""

    def load(self, languages: Sequence[str]) -> None:
        """Load every model. Raises DetectorUnavailable."""

    def find(
        self, texts: Sequence[str], languages: Sequence[str], allowed_names: Sequence[Sequence[str]] = ()
    ) -> list[tuple[Span, ...]]:
        """Merged spans of each text."""


@dataclass(frozen=True)
class Detectors:
    """The detectors of one run; tests put faulty ones in."""

    language: Callable[[Sequence[str | None]], list[Language]] = identify
    reading: Callable[[Sequence[str], Sequence[str]], list[Reading]] = readings
    privacy: PrivacyDetector = field(default_factory=PrivacyModel)
    safety: tuple[SafetyModel, ...] = (LexiconModel(), ProfanityModel())
    _loaded: set[tuple[str, ...]] = field(default_factory=set, init=False, repr=False, compare=False)

    def load(self, languages: Sequence[str]) -> None:
        """Load everything, once, so that a missing model stops a job before it judges anything.

        Raises DetectorUnavailable, also for a language that no safety model knows.
        """
        if tuple(languages) in self._loaded:
            return
        # A failure here recurs on the texts, where it is counted and the text rejected.
        attempt(lambda: self.language(["hello"]), _LOADING_SECONDS)
        attempt(lambda: self.reading(["hello"], languages), _LOADING_SECONDS)
        self.privacy.load(languages)
        # Rules are compiled on first use: do it now, so that it does not count against the deadline of a text.
        split_spans(["call 12", "34"], 1)
        for model in self.safety:
            model.load()
        for language in languages:
            if not any(model.supports(language) for model in self.safety):
                raise DetectorUnavailable(
                    f"no safety detector knows language {language}",
                    setting="screening.languages",
                    hint="Take the language out or add models/screening/safety/lexicons/<language>.toml.",
                )
        self._loaded.add(tuple(languages))

    @property
    def versions(self) -> dict[str, str]:
        """Detector name to version."""
        return {"privacy": self.privacy.version, "language": f"lid.176+hi-Latn-3+{VOCABULARY}"} | {
            model.name: model.version for model in self.safety
        }


@dataclass(frozen=True)
class Question:
    """One text to judge, and the names of the character that speaks it or that it describes (see `names.own_name`).

    What languages other texts are in plays no part: whoever writes those would choose this text's detectors.
    `safety_only`: do not look for identifiers, because other questions cover the same text. `privacy_only`: look for
    nothing else.
    """

    text: str
    allowed_names: tuple[str, ...] = ()
    safety_only: bool = False
    privacy_only: bool = False


# A piece of a question: the question, the offset of the piece, the piece, the language to judge it in.
_Chunk = tuple[Question, int, Question, str]


@dataclass(frozen=True)
class Findings:
    """What the detectors found in one text.

    Attributes:
        supported: False for a text that is in a language without detectors.
        is_read: False for a text with words that no detector reads.
        errors: names of the detectors that failed on it.
    """

    language: str = "und"
    supported: bool = True
    is_read: bool = True
    oversize: bool = False
    spans: tuple[Span, ...] = ()
    safety: SafetyScore = SAFE
    errors: tuple[str, ...] = ()


def examine(
    questions: Sequence[Question], settings: ScreeningSettings, detectors: Detectors
) -> list[Findings]:
    """One `Findings` a question, in order; equal questions are judged once.

    Of a detector's exceptions only DetectorUnavailable leaves this function: nothing can be judged then. A detector
    that takes longer than `deadline_seconds` on a text has failed on it (see models.screening.deadline).
    """
    detectors.load(settings.languages)
    distinct = list(dict.fromkeys(questions))
    readable = [q for q in distinct if len(q.text) <= settings.max_text_chars]
    languages = _languages(readable, settings, detectors)
    chunks: list[_Chunk] = []
    for question in readable:
        language = languages[question]
        if language.supported and not language.failed:
            chunks += [
                (question, start, replace(question, text=piece), language.tag)
                for start, piece in chunked(question.text, settings.chunk_chars, settings.chunk_overlap_chars)
            ]
    spans = _privacy(chunks, settings, detectors)
    scores = _safety(chunks, settings, detectors)
    findings: dict[Question, Findings] = {q: Findings(oversize=True) for q in distinct if q not in languages}
    spans_by_question: dict[Question, list[Span]] = {}
    scores_by_question: dict[Question, SafetyScore] = {}
    errors_by_question: dict[Question, set[str]] = {}
    for (question, start, _, _), chunk_spans, (score, failed_models) in zip(
        chunks, spans, scores, strict=True
    ):
        if chunk_spans is None:
            errors_by_question.setdefault(question, set()).add("privacy")
        else:
            spans_by_question.setdefault(question, []).extend(span.moved(start) for span in chunk_spans)
        errors_by_question.setdefault(question, set()).update(failed_models)
        scores_by_question[question] = max(
            scores_by_question.get(question, SAFE), score, key=lambda s: s.score
        )
    for question in readable:
        language = languages[question]
        findings[question] = Findings(
            language=language.tag,
            supported=language.supported,
            is_read=language.is_read,
            spans=merge(spans_by_question.get(question, ()), PRIORITY),
            safety=scores_by_question.get(question, SAFE),
            errors=tuple(
                sorted(errors_by_question.get(question, set()) | ({"language"} if language.failed else set()))
            ),
        )
    return [findings[question] for question in questions]


def chunked(text: str, size: int, overlap: int) -> list[tuple[int, str]]:
    """(offset, piece) of a text: overlapping pieces of at most `size` characters that cover the whole text."""
    if len(text) <= size:
        return [(0, text)]
    return [(start, text[start : start + size]) for start in range(0, len(text) - overlap, size - overlap)]


def attempt(ask: Callable[[], _T], seconds: float) -> tuple[_T | None, bool]:
    """The answer, or None after a failure, and whether the time ran out.

    It also catches what is not an Exception: native code raises other classes, and some detectors exit.
    """
    try:
        return within(seconds, ask), False
    except (DetectorUnavailable, KeyboardInterrupt):
        raise
    except Overrun:
        return None, True
    except BaseException:  # noqa: BLE001 — the caller records the failure by detector name and rejects the text
        return None, False


def _answers(
    ask: Callable[[Sequence[_Q]], object], questions: Sequence[_Q], seconds: float
) -> Iterator[object]:
    """One answer a question, None where there is none: asked in batches, one by one where a batch fails.

    A list of another length counts as a failure: its answers cannot be matched to the questions.
    """
    for start in range(0, len(questions), _BATCH_TEXTS):
        batch = questions[start : start + _BATCH_TEXTS]
        answers, _ = attempt(lambda batch=batch: ask(batch), seconds)  # type: ignore[misc]
        if isinstance(answers, list | tuple) and len(answers) == len(batch):
            yield from answers
            continue
        patience = seconds
        for question in batch:
            answers, late = attempt(lambda question=question: ask([question]), patience)  # type: ignore[misc]
            if late:
                patience = max(patience / 2, seconds * _LEAST_PATIENCE)
            yield answers[0] if isinstance(answers, list | tuple) and len(answers) == 1 else None


@dataclass(frozen=True)
class _Settled:
    """The language to judge a text in ('und': with the detectors of every language), and whether they can read it."""

    tag: str = "und"
    supported: bool = True
    is_read: bool = True
    failed: bool = False


def _languages(
    questions: Sequence[Question], settings: ScreeningSettings, detectors: Detectors
) -> dict[Question, _Settled]:
    """The language to judge each question in."""
    texts = list(dict.fromkeys(question.text for question in questions))
    seconds = settings.deadline_seconds
    # Words are read without disguises, and without what an earlier redaction wrote.
    views = [normalised(PLACEHOLDER.sub(" ", text) if "<" in text else text).text for text in texts]
    read = list(_answers(lambda batch: detectors.reading(batch, settings.languages), views, seconds))
    settled = {
        text: _Settled("en")
        for text, reading in zip(texts, read, strict=True)
        if "en" in settings.languages and _sane_reading(reading) and reading.is_english
    }
    # The identifier is the dearer of the two and knows no better: most English texts are not asked about.
    asked = [(text, reading) for text, reading in zip(texts, read, strict=True) if text not in settled]
    tags = _answers(detectors.language, [text for text, _ in asked], seconds)
    for (text, reading), tag in zip(asked, tags, strict=True):
        settled[text] = _settled_language(text, tag, reading, settings)
    return {question: settled[question.text] for question in questions}


def _sane_language(answer: Language) -> bool:
    return isinstance(answer.tag, str) and _TAG.fullmatch(answer.tag) is not None and _is_share(answer.score)


def _sane_reading(reading: object) -> TypeGuard[Reading]:
    return isinstance(reading, Reading) and all(
        type(value) is bool for value in (reading.is_read, reading.is_known, reading.is_english)
    )


def _is_share(value: object) -> bool:
    """Whether it is a number in [0, 1]."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and 0 <= value <= 1
    )


def _settled_language(text: str, answer: object, reading: object, settings: ScreeningSettings) -> _Settled:
    """A supported language that is sure, else 'und', which all detectors read.

    A sure language without detectors is not supported, unless all words of the text are known and it is short, or in
    the script of Hindi: then the identifier is wrong more often than not.
    """
    if not isinstance(answer, Language) or not _sane_language(answer) or not _sane_reading(reading):
        return _Settled(supported=False, failed=True)
    is_read = reading.is_read
    letters = len(_LETTER.findall(text[:2000]))
    is_short = letters <= settings.undetermined_max_letters
    is_latin = _latin_only(text)
    is_sure = (
        answer.tag != "und" and answer.score >= _SURE_LANGUAGE and (letters > _SHORT_LETTERS or not is_latin)
    )
    if answer.tag in settings.languages and is_sure:
        return _Settled(answer.tag, is_read=is_read)
    if answer.tag not in settings.languages and (
        (is_sure and not _is_misidentified(text, reading, is_short=is_short, is_latin=is_latin))
        or not (is_short or is_read)
    ):
        return _Settled(answer.tag, supported=False)
    return _Settled(is_read=is_read)


def _is_misidentified(text: str, reading: Reading, *, is_short: bool, is_latin: bool) -> bool:
    """Whether the words of a text say that it is in a supported language, whatever the identifier says."""
    if is_latin:
        return is_short and reading.is_known
    return reading.is_known and _DEVANAGARI_ONLY.fullmatch(text) is not None


def _latin_only(text: str) -> bool:
    return text.isascii() or _OTHER_LETTER.search(text) is None


def _privacy(
    chunks: Sequence[_Chunk], settings: ScreeningSettings, detectors: Detectors
) -> list[tuple[Span, ...] | None]:
    """Spans of each chunk, None where the detector failed or answered nonsense; empty for `safety_only`."""

    def ask(batch: Sequence[_Chunk]) -> list[tuple[Span, ...]]:
        return detectors.privacy.find(
            [piece.text for _, _, piece, _ in batch],
            [language for *_, language in batch],
            [piece.allowed_names for _, _, piece, _ in batch],
        )

    spans: list[tuple[Span, ...] | None] = [()] * len(chunks)
    searched = [index for index, (question, *_) in enumerate(chunks) if not question.safety_only]
    answers = _answers(ask, [chunks[index] for index in searched], settings.deadline_seconds)
    for index, answer in zip(searched, answers, strict=True):
        size = len(chunks[index][2].text)
        sane = isinstance(answer, list | tuple) and all(_sane_span(span, size) for span in answer)
        spans[index] = tuple(answer) if sane else None  # type: ignore[arg-type]
    return spans


def _sane_span(span: object, size: int) -> bool:
    return (
        isinstance(span, Span)
        and type(span.start) is type(span.end) is int
        and 0 <= span.start < span.end <= size
        and isinstance(span.type, str)
        and span.type in ENTITY_TYPES
        and _is_share(span.score)
    )


def _safety(
    chunks: Sequence[_Chunk], settings: ScreeningSettings, detectors: Detectors
) -> list[tuple[SafetyScore, frozenset[str]]]:
    """Highest score of each chunk over the models that know its language, and the models that failed on it.

    SAFE for `privacy_only`.
    """
    seconds = settings.deadline_seconds
    best: list[SafetyScore] = [SAFE] * len(chunks)
    failed: list[set[str]] = [set() for _ in chunks]
    model_counts = [0] * len(chunks)
    by_language: dict[str, list[int]] = {}
    for index, (question, _, _, language) in enumerate(chunks):
        if not question.privacy_only:
            by_language.setdefault(language, []).append(index)
    for language, indices in sorted(by_language.items()):
        texts = [chunks[index][2].text for index in indices]
        for model in detectors.safety:
            knows, _ = attempt(lambda model=model, language=language: model.supports(language), seconds)  # type: ignore[misc]
            if knows is False:
                continue
            scores = _answers(
                lambda batch, model=model, language=language: model.score(batch, language),  # type: ignore[misc]
                texts,
                seconds,
            )
            for index, score in zip(indices, scores, strict=True):
                model_counts[index] += 1
                if not isinstance(score, SafetyScore) or not _sane_score(score):
                    failed[index].add(model.name)
                elif score.score > best[index].score:
                    best[index] = score
    for index, count in enumerate(model_counts):
        if not count and not chunks[index][0].privacy_only:
            failed[index].add("safety")  # no model judged it: treat it as a failure
    return [(score, frozenset(names)) for score, names in zip(best, failed, strict=True)]


def _sane_score(score: SafetyScore) -> bool:
    valid = isinstance(score.category, str) and score.category in CATEGORIES
    return _is_share(score.score) and (valid or (score.category is None and score.score == 0))
