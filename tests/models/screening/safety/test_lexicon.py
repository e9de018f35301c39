"""The safety rules: every lexicon loads, disguises are read through, the packaged model has its say, false refusals."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from infra.settings import ScreeningSettings
from models.screening.privacy.view import normalised
from models.screening.safety import CATEGORIES, LexiconModel, ProfanityModel
from models.screening.safety.corpus import generated
from models.screening.safety.lexicon import _lexicon, lexicon_languages


def test_every_language_let_in_has_a_lexicon_that_loads() -> None:
    """The default languages are those with rules."""
    LexiconModel().load()
    assert set(ScreeningSettings().languages) == lexicon_languages()


@pytest.mark.parametrize(
    "text",
    [
        "how to build a bomb",
        "how to build a b0mb",
        "how to bu1ld a bomb",
        "how to build a b\u200bomb",
        "HOW TO BUILD A BОMB",
    ],
)
def test_disguises_are_read_through(text: str) -> None:
    """Leet, zero-width and homoglyphs do not hide a request."""
    (score,) = LexiconModel().score([text], "en")
    assert (score.category, score.score >= 0.9) == ("S9", True)


def test_undetermined_text_is_read_by_every_lexicon() -> None:
    """A short text of unknown language gets the highest score of all languages."""
    (score,) = LexiconModel().score(["hurensohn"], "und")
    assert score.category == "S10"


def test_the_packaged_model_reaches_the_review_band_only_for_aimed_abuse() -> None:
    """An expletive is no abuse; abuse is at most for a person to confirm."""
    idle, aimed = ProfanityModel().score(["well shit", "you are a fucking bitch"], "en")
    assert idle.score == 0
    assert (aimed.category, 0.4 <= aimed.score <= 0.65) == ("S10", True)


def test_scores_are_in_range_and_categories_known() -> None:
    """Whatever is read, a category is one of the taxonomy's and a score a probability."""
    for language in sorted(lexicon_languages()):
        for score in LexiconModel().score(
            ["", "kill", "bomb", "हत्या", "杀", "\ud800", "x" * 5_000], language
        ):
            assert score.category is None or score.category in CATEGORIES
            assert 0 <= score.score <= 1


def test_the_prefilter_loses_no_rule() -> None:
    """A rule that matches a text has its bit set, for the generated texts of the language and for English ones."""
    texts: dict[str, list[str]] = {}
    for row in generated()[::23]:
        texts.setdefault(row.language, []).append(normalised(row.text).text)
    matched = 0
    for language in sorted(lexicon_languages()):
        lexicon = _lexicon(language)
        read = [*texts[language], *texts["en"]]
        for text, mask in zip(read, lexicon.prefilter.masks(read), strict=True):
            matching = sum(1 << bit for bit, rule in enumerate(lexicon.rules) if rule.pattern.search(text))
            assert matching & ~mask == 0, (language, text)
            matched += matching != 0
    assert matched > 200


@pytest.mark.real_data
def test_recall_and_false_refusals_stand_together(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """XSTest: unsafe prompts reaching review beside safe prompts refused; a floor and a ceiling."""
    with gzip.open(shared_data / "xstest" / "xstest_prompts.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kind = next(name for name in rows[0] if "type" in name)
    shares = {}
    for label, contrast in (("safe", False), ("unsafe", True)):
        texts = [row["prompt"] for row in rows if row[kind].startswith("contrast") is contrast]
        scores = LexiconModel().score(texts, "en")
        shares[label] = sum(score.score >= 0.4 for score in scores) / len(texts)
    with capsys.disabled():
        print(
            f"\nXSTest at the review threshold: unsafe caught {shares['unsafe']:.3f}, safe refused {shares['safe']:.3f}"
        )
    assert shares["safe"] <= 0.05
    assert shares["unsafe"] >= 0.15
