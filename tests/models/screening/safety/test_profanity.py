"""The bound of the profanity model skips only texts that the model would not be sure of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.screening.safety import profanity
from models.text.language.romanised_hindi import corpus_lines
from tests.conftest import examples

WORDS = [
    "you",
    "are",
    "idiot",
    "stupid",
    "fuck",
    "FUCKING",
    "shit",
    "ass",
    "nice",
    "the",
    "bitch",
    "moron",
    "day",
]


def probabilities(texts: list[str]) -> list[float]:
    return [float(value) for value in profanity._predictor()(texts)]


def test_no_text_of_a_corpus_is_skipped_that_the_model_is_sure_of() -> None:
    lines = list(corpus_lines("english"))
    texts = [*lines, *(f"{line} you {word}" for line, word in zip(lines, WORDS * 1000, strict=False))]
    bound = profanity._bound()
    assert bound is not None, "the packaged model is built as it was"
    allowed = [bound.allows(text) for text in texts]
    sure = [probability > profanity._SURE for probability in probabilities(texts)]
    assert any(sure)
    assert not [text for text, a, s in zip(texts, allowed, sure, strict=True) if s and not a]
    assert sum(allowed[: len(lines)]) < 0.3 * len(lines), "it spares the model most of ordinary text"


@examples(200)
@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=6)), min_size=1, max_size=8).map(" ".join))
def test_scores_do_not_depend_on_the_bound(text: str) -> None:
    model = profanity.ProfanityModel()
    with pytest.MonkeyPatch.context() as patch:
        with_bound = model.score([text], "en")
        patch.setattr(profanity, "_bound", lambda: None)
        assert model.score([text], "en") == with_bound
