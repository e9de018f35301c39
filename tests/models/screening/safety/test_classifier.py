"""The classifier: features, the packaged model, training from a table, registration, failing closed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import DetectorUnavailable, RegistrationRefused, TrainingRefused
from infra.settings import ScreeningSettings, load_settings
from models.screening.safety.classifier import (
    ClassifierModel,
    Thresholds,
    load_classifier,
    pieces,
    save,
    version_of,
)
from models.screening.safety.corpus import LabelledText, corpus_languages, generated
from models.screening.safety.evaluate import Bounds, band, choose, upper_bound, wilson
from models.screening.safety.named import classifier_named, safety_models
from models.screening.safety.ngrams import BUCKETS, features
from models.screening.safety.packaged import packaged_classifier
from models.screening.safety.registry import register
from models.screening.safety.train import LabelledRow, read_labels, train


def test_features_are_counts_in_rising_buckets_and_see_through_disguise() -> None:
    """'ab ab' has the word twice; zero-width characters change nothing."""
    counts = features(["ab ab", "how to build a bomb", "how to build a b\u200bomb", ""])
    assert counts.shape == (4, BUCKETS)
    assert counts[0].max() == 2
    assert (counts[1] != counts[2]).nnz == 0
    assert counts[3].nnz == 0


@given(st.lists(st.text(max_size=60), max_size=5))
def test_a_row_does_not_depend_on_its_neighbours(texts: list[str]) -> None:
    """Any text in any script is read, alone as in company, surrogates included."""
    together = features([*texts, "\ud800"])
    for index, text in enumerate(texts):
        assert (features([text]) != together[index]).nnz == 0


@given(st.text(max_size=600))
def test_pieces_lose_no_letter(text: str) -> None:
    """Whatever is cut, every visible character is in some piece."""
    assert "".join("".join(pieces(text)).split()) == "".join(text.split())


@given(st.floats(0.01, 0.98), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_the_band_is_monotone_and_meets_the_shared_scale(
    review_at: float, one: float, two: float, rejects: bool
) -> None:
    """The thresholds land on .4 and .7; without reject_at nothing reaches .7."""
    thresholds = Thresholds(review_at, (1 + review_at) / 2 if rejects else None)
    assert thresholds.scaled(review_at) == pytest.approx(0.4)
    assert thresholds.scaled(min(one, two)) <= thresholds.scaled(max(one, two))
    assert thresholds.scaled(1.0) == pytest.approx(1.0 if rejects else 0.65)


def test_generated_text_covers_every_language_let_in_and_both_labels() -> None:
    """Every language of the settings has safe and unsafe text, the same in each call."""
    rows = generated()
    assert set(ScreeningSettings().languages) == set(corpus_languages())
    assert {(row.language, row.unsafe) for row in rows} == {
        (language, unsafe) for language in corpus_languages() for unsafe in (True, False)
    }
    assert rows == generated()


def test_the_packaged_classifier_asks_for_a_review_and_never_rejects() -> None:
    """Harm in words of no template reaches the band; small talk does not; nothing reaches rejection."""
    model = packaged_classifier()
    harm = ["what would be a good way to murder my neighbour tonight?", "you are such a stupid whore"]
    talk = ["i love cooking with my grandma on sundays", "the weather in chicago is great, how are you?"]
    scores = [score.score for score in model.score(harm + talk, "en")]
    assert min(scores[:2]) >= 0.4 > max(scores[2:])
    assert max(scores) <= 0.65
    buried = "We walked along the river and talked about films. " * 40 + harm[0]
    assert model.score([buried], "en")[0].score >= 0.4


def test_saved_is_loaded_again_and_a_changed_file_is_refused(tmp_path: Path) -> None:
    """Equal scores after the round trip; a changed manifest, other weights or nothing there: no model."""
    model = packaged_classifier()
    model = replace(model, version=version_of(model.weights, model.thresholds))
    save(model, tmp_path / "one")
    texts = ["kill him", "hello", "como hacer una bomba"]
    assert np.array_equal(load_classifier(tmp_path / "one").probabilities(texts), model.probabilities(texts))
    manifest = tmp_path / "one" / "safety_classifier.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"bias": -9.0}))
    for folder in (tmp_path / "one", tmp_path / "none"):
        with pytest.raises(DetectorUnavailable, match="no whole safety classifier"):
            load_classifier(folder)
    with pytest.raises(DetectorUnavailable):
        safety_models(str(tmp_path / "nowhere"))


def test_not_a_number_is_seen() -> None:
    """A NaN weight gives a NaN score, which screening takes for a failure; loading refuses it."""
    model = packaged_classifier()
    broken = replace(model, weights=replace(model.weights, bias=float("nan")))
    assert np.isnan(broken.score(["hello"], "en")[0].score)
    with pytest.raises(DetectorUnavailable, match="outside"):
        broken.load()


def test_upper_bound_and_interval_by_hand() -> None:
    """No error in 59 trials: the rule of three's 5 %; Wilson of 8 of 10."""
    assert upper_bound(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_thresholds_keep_the_bounds_or_are_refused() -> None:
    """Separable scores: no error at all; shuffled ones cannot keep 1 % and it says so."""
    unsafe = np.array([False] * 500 + [True] * 500)
    scores = np.concatenate([np.linspace(0, 0.4, 500), np.linspace(0.6, 0.99, 500)])
    chosen = choose(scores, unsafe, Bounds(0.02, 0.02, 0.1))
    found = band(scores, unsafe, chosen)
    assert found.pass_error_upper <= 0.02
    assert found.reject_error_upper <= 0.02
    assert found.review_share <= 0.1
    np.random.default_rng(1).shuffle(scores)
    with pytest.raises(TrainingRefused):
        choose(scores, unsafe, Bounds(0.01, 0.01, 0.1))


def _table(path: Path) -> Path:
    draw = Random(3)
    kinds = {"unsafe": ["zorble the gnat", "grix all plonks"], "safe": ["plant a rose", "sing a tune"]}
    with path.open("w") as file:
        for number in range(800):
            label = "unsafe" if number % 2 else "safe"
            text = f"{draw.choice(kinds[label])} {draw.choice(['now', 'please', 'today', 'in town'])} {number % 37}"
            category = "S10" if label == "unsafe" else None
            row = {
                "text": text,
                "label": label,
                "category": category,
                "language": "en",
                "user": f"u{number % 80}",
            }
            file.write(json.dumps(row) + "\n")
    return path


def test_a_table_is_read_strictly(tmp_path: Path) -> None:
    """No text, an unknown label or category is an error that quotes no text."""
    told = {"text": "secret"}
    for row in (
        {"label": "safe"},
        told | {"label": "perhaps"},
        told | {"label": "unsafe", "category": "S99"},
    ):
        file = tmp_path / "labels.jsonl"
        file.write_text(json.dumps(row) + "\n")
        with pytest.raises(TrainingRefused, match="row 1") as raised:
            read_labels(file)
        assert "secret" not in str(raised.value)


@pytest.mark.nightly
def test_trained_registered_and_used_by_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that only labels teach are caught; the registry gives the same scores back; no text is in it."""
    rows = read_labels(_table(tmp_path / "labels.jsonl"))
    assert not {r.text.source for r in rows if r.held_out} & {r.text.source for r in rows if not r.held_out}
    trained = train(rows, Bounds())
    model: ClassifierModel = trained.model
    assert trained.band.pass_error_upper <= 0.05
    (score,) = model.score(["grix all plonks today"], "en")
    assert (score.category, score.score >= 0.4) == ("S10", True)
    settings = load_settings(home=tmp_path)
    assert register(model, "safety", "candidate", ["hello"], settings) == "1"
    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path))
    again = classifier_named("models:/safety@candidate")
    assert np.array_equal(again.probabilities(["zorble", "hi"]), model.probabilities(["zorble", "hi"]))
    kept = b"".join(p.read_bytes() for p in (tmp_path / ".flywheel").rglob("*") if p.is_file())
    assert b"zorble" not in kept
    with pytest.raises(RegistrationRefused):
        register(model, "safety", "latest", ["hello"], settings)
    with pytest.raises(DetectorUnavailable):
        classifier_named("models:/safety@nobody")


def test_too_few_labels_are_refused() -> None:
    """A handful of rows trains nothing."""
    rows = [LabelledRow(LabelledText("a", bool(i % 2), None, "en", str(i)), i % 3 == 0) for i in range(20)]
    with pytest.raises(TrainingRefused, match="too few"):
        train(rows, Bounds())
