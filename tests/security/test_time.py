"""No text is worth a minute: what reads text takes time in proportion to its length, whatever the text is.

The code finds what is tested: every regular expression and every function of one text in the modules below, the rules
of every lexicon, every safety model, every language that screening knows. A new one is tested without being listed.
"""

from __future__ import annotations

import importlib
import os
import random
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from unicodedata import combining, normalize

import pyarrow as pa
import pytest
from rapidfuzz.distance import Indel

from infra.errors import DetectorUnavailable
from infra.nesting import too_deep
from infra.records import Refused, load_object
from infra.settings import load_settings
from models.screening.privacy.span import Span, redact
from models.screening.privacy.split import split_spans
from models.screening.safety.lexicon import _lexicon, lexicon_languages
from models.text.compatibility import _too_many_marks, nfkc
from models.text.language import Language, identify
from models.text.lexical import Normal, similarities
from tests.conftest import REPOSITORY
from tests.security import growth

# Where text from outside arrives. The contracts are our own DDL, and the simulator's texts are made by itself.
FOLDERS = ("infra", "models", "jobs", "cli")
OURS = ("infra/contracts/", "infra/sandbox/")
# Functions of one text that read no pattern of their own, but call what does.
READERS = (
    "models/text", "models/screening", "models/chat", "infra/inert.py", "infra/nesting.py", "jobs/curation",
    "jobs/signals",
)  # fmt: skip
LANGUAGES = tuple(load_settings().screening.languages)
# Every unit at larger sizes takes fifteen CPU minutes: for whoever changes many patterns, not for each `make test-all`.
THOROUGH = os.environ.get("FLYWHEEL_TESTS") == "exhaustive"
UNITS = growth.UNITS if THOROUGH else growth.UNITS[::4]
# Screening reads a text in chunks of four times as many characters.
_CHUNK = growth.SMALL


def _modules(folders: tuple[str, ...], contains: str) -> list[str]:
    files = [
        file
        for folder in folders
        for file in ([REPOSITORY / folder] if folder.endswith(".py") else (REPOSITORY / folder).rglob("*.py"))
    ]
    return sorted(
        _name(file)
        for file in files
        if contains in file.read_text(encoding="utf-8") and not _name(file).replace(".", "/").startswith(OURS)
    )


def _name(file: Path) -> str:
    return ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def _slow_patterns(name: str, small: int) -> dict[str, object]:
    module = importlib.import_module(name)
    slow: dict[str, object] = {}
    known = set()
    for place, pattern in growth.patterns(module).items():
        if (key := (pattern.pattern, pattern.flags)) not in known and pattern.pattern:
            known.add(key)
            units = [
                *growth.UNITS[:: 1 if THOROUGH else 3], *growth.own_units(pattern, most=14 if THOROUGH else 8),
            ]  # fmt: skip
            if found := growth.slow(growth.searched(module, place, pattern), units, small):
                slow[place] = found[:3]
    return slow


@pytest.mark.parametrize("name", _modules(FOLDERS, "import re\n"))
def test_every_pattern_of_the_code_is_linear(name: str) -> None:
    assert _slow_patterns(name, 2 * _CHUNK if THOROUGH else _CHUNK) == {}


@pytest.mark.parametrize("language", sorted(lexicon_languages()))
def test_every_rule_of_the_lexicons_is_linear(language: str) -> None:
    lexicon = _lexicon(language)
    patterns = {"gate": lexicon.gate}
    for number, rule in enumerate(lexicon.rules):
        patterns[f"{number} {rule.category}"] = rule.pattern
        if rule.unless is not None:
            patterns[f"{number} {rule.category} unless"] = rule.unless
    slow = {}
    for place, pattern in patterns.items():
        units = [*UNITS[:: 1 if THOROUGH else 6], *growth.own_units(pattern, most=14 if THOROUGH else 6)]

        def search(text: str, pattern: re.Pattern[str] = pattern) -> object:
            return sum(1 for _ in pattern.finditer(text))

        if found := growth.slow(search, units, _CHUNK):
            slow[place] = found[:3]
    assert slow == {}


@pytest.mark.parametrize("name", _modules(READERS, "text"))
def test_every_function_of_one_text_is_linear(name: str) -> None:
    slow = {}
    for function, ask in growth.readers(importlib.import_module(name)).items():
        ask("hello é " * 300)  # loads what it needs; a function that refuses this text would not be tested
        if found := growth.slow(growth.without_errors(ask), UNITS, _CHUNK):
            slow[function] = found[:3]
    assert slow == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_search_for_identifiers_is_linear(language: str) -> None:
    from models.screening.privacy import PrivacyModel

    model = PrivacyModel()
    model.load([language])
    model.find(["John Smith is here"], [language], [()])
    slow = growth.slow(
        lambda text: model.find([f"John Smith {text}"], [language], [()]),
        UNITS if THOROUGH else UNITS[::2],
        _CHUNK,
    )
    assert slow == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_safety_model_is_linear(language: str) -> None:
    from models.screening.safety.named import safety_models

    slow = {}
    for model in safety_models(""):
        if model.supports(language):
            model.load()
            model.score(["you are a friend of mine"], language)
            if found := growth.slow(lambda text, model=model: model.score([text], language), UNITS, _CHUNK):  # type: ignore[misc]
                slow[model.name] = found
    assert slow == {}


def test_identifiers_split_over_messages_are_found_in_linear_time() -> None:
    split_spans(["call 12", "34"], 20)
    assert growth.slow(lambda text: split_spans([text, "12", text], 20), UNITS, _CHUNK) == []
    assert (
        growth.growth(lambda text: split_spans(text.split("|"), 20), lambda size: "1234 5678|" * (size // 10))
        <= growth.MOST_GROWTH
    )


def test_the_language_of_a_long_text_is_that_of_its_pieces() -> None:
    identify(["hello"])
    spanish = "me gustaría saber qué tiempo hará mañana en la ciudad "
    assert identify([spanish * 8_000])[0].tag == "es"
    # The beginning, the end, and places between count alike.
    assert identify(["x" * 300 + spanish * 8_000 + "y" * 300])[0].tag == "es"
    assert growth.slow(lambda text: identify([text]), UNITS, 50_000) == []


@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u0f73", "\uff9e\u0316", "\u0344\u0327"])
def test_marks_without_end_are_normalised_in_linear_time(marks: str) -> None:
    assert growth.growth(nfkc, lambda size: "a" + marks * size, 10_000) <= growth.MOST_GROWTH
    assert nfkc("é" + marks * 10_000 + "é").endswith("é")
    assert _seconds(lambda: identify([marks * 100_000])) < 5  # 43 s before, where no signal interrupts


def test_every_character_that_combines_is_a_mark() -> None:
    marks = {char for char in map(chr, range(0x110000)) if combining(normalize("NFKD", char)[0])}
    run = _too_many_marks()
    assert {char for char in marks if not run.fullmatch(char * 31)} == set()
    assert not any(run.fullmatch(char * 31) for char in "aé中あ한क0 ")


def test_placeholders_and_spans_are_matched_in_linear_time() -> None:
    def ask(text: str) -> str:
        spans = [
            Span(place, place + 3, "EMAIL_ADDRESS", 1.0)
            for place in range(len(text))
            if text.startswith("a@b", place)
        ]
        return redact(text, spans)

    assert growth.growth(ask, lambda size: "<PERSON> a@b " * (size // 13), 30_000) <= growth.MOST_GROWTH
    assert ask("<PERSON> a@b <URL>") == "<PERSON> <EMAIL_ADDRESS> <URL>"


def test_long_texts_are_compared_in_linear_time() -> None:
    draw = random.Random(5)

    def ask(text: str) -> float:
        other = text.replace("abc", "xyz")
        return float(similarities([Normal(text, text)], [Normal(other, other)], 0.5)[0])

    long = "".join(draw.choices("abc de", k=800_000))
    assert growth.growth(ask, lambda size: long[:size], 100_000) <= growth.MOST_GROWTH
    # Never more than the ratio of the whole texts, and little less.
    text = long[:20_000]
    shifted = text[:9_000] + "!" * 40 + text[9_000:]
    ratio = Indel.normalized_similarity(text, shifted)
    assert ratio - 0.02 < similarities([Normal(text, text)], [Normal(shifted, shifted)], 0.5)[0] <= ratio


def test_a_string_without_an_end_is_read_once() -> None:
    for text in (
        '[["' + '\\"' * 500_000,
        '"' * 500_000 + "[" * 70,
        "[" * 70 + "\\" * 500_000,
        '{"a":' * 100_000,
    ):
        assert _seconds(lambda text=text: too_deep(text)) < 5  # type: ignore[misc]


@pytest.mark.parametrize(
    "number",
    ["9" * 900_000, "1e" + "9" * 900_000, "0." + "1" * 900_000, "-" * 900_000],
    ids=["integer", "exponent", "fraction", "signs"],
)
def test_numbers_of_a_landed_line_are_bounded(number: str) -> None:
    def ask() -> None:
        with suppress(Refused):
            load_object(f'{{"a":{number}}}'.encode())

    assert _seconds(ask) < 5


def test_a_text_that_the_language_detector_fails_on_stops_no_day(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.traffic import turns

    def detector(texts: Sequence[str | None]) -> list[Language]:
        (text,) = texts
        if text == "endless":
            while True:
                pass
        if text == "broken":
            raise ValueError("a text that breaks it")
        if text == "gone":
            raise DetectorUnavailable("the model is gone")
        return [Language("en", 0.9)]

    class Count:
        value = 0

        def add(self, number: int) -> None:
            self.value += number

    def tags(*texts: str) -> list[str]:
        batch = pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], names=["spoken"])
        return [tag for one in turns._identify_batches([batch], failed=failed) for tag in one.column(1).to_pylist()]  # type: ignore[arg-type]  # fmt: skip

    failed = Count()
    monkeypatch.setattr("models.text.language.identify", detector)
    monkeypatch.setattr(turns, "_LANGUAGE_SECONDS", 0.2)
    assert tags("a", "endless", "b", "broken", "c") == ["en", "und", "en", "und", "en"]
    assert failed.value == 2
    with pytest.raises(DetectorUnavailable):  # nothing can be identified then: the job stops
        tags("a", "gone")


def _seconds(ask: Callable[[], object]) -> float:
    began = time.thread_time()
    ask()
    return time.thread_time() - began
