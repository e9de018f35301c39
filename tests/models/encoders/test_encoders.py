"""The packaged encoders: unit vectors, the languages they know, and honesty about what they do not."""

from __future__ import annotations

import numpy as np
import pytest

from infra.settings import DiversitySettings, EncoderSettings
from models.encoders import Encoder, encoder_for, encoder_name, load_encoder

SPECS = DiversitySettings().encoders


@pytest.fixture(scope="module", params=["transformer", "use"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    spec = next(s for s in SPECS if s.kind == request.param)
    return load_encoder(spec.model_copy(update={"precision": "fp32"}))


def test_vectors_are_unit_length_and_do_not_depend_on_company(encoder: Encoder) -> None:
    texts = ["The cat sleeps.", "Stock markets fell again today.", "A cat is asleep.", "word " * 900]
    together = encoder.encode(texts)
    assert together.shape == (4, encoder.dimension)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert (together * alone).sum(axis=1).min() > 0.9999
    assert together[0] @ together[2] > together[0] @ together[1]


def test_long_texts_are_read_to_their_end(encoder: Encoder) -> None:
    start = "We talked about the weather and the garden for a while. " * 60
    one, two = encoder.encode([start, start + "Then he told me about the war, ships and submarines. " * 60])
    assert one @ two < 0.999


def test_no_text_gives_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dimension)
    assert encoder.unknown_shares([]).shape == (0,)


def test_minilm_admits_that_it_cannot_read_chinese() -> None:
    minilm = load_encoder(EncoderSettings(precision="fp32"))
    english, chinese = minilm.unknown_shares(["How are you today?", "你今天过得怎么样?我想听听你的故事"])
    assert english == 0
    assert chinese > 0.05


@pytest.mark.parametrize(
    ("language", "kind"),
    [("en", "transformer"), ("en-GB", "transformer"), ("de", "use"), ("pt-BR", "use"), ("zh-Hant-TW", "use"),
     ("hi", None), ("hi-Latn", None), ("en-Cyrl", None), ("und", None)],
)  # fmt: skip
def test_a_language_goes_to_the_first_encoder_that_knows_it(language: str, kind: str | None) -> None:
    spec = encoder_for(language, SPECS)
    assert (spec.kind if spec else None) == kind


def test_the_name_tells_model_backend_and_precision() -> None:
    spec = EncoderSettings(model="facebook/drama-1b", precision="bf16")
    assert encoder_name(spec) == "drama-1b/torch/bf16"
