"""What a lake keeps for its spaces: backend and precision, and centroids that stay until they are trained anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import DiversitySettings, EncoderSettings
from jobs.curation.diversity import spaces
from tests.conftest import examples

RULES = DiversitySettings(exhaustive_rows=100, rows_per_cluster=50)


def _sample(seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(400, 8)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def _answers(monkeypatch: pytest.MonkeyPatch, backend: str, precision: str) -> None:
    answer = {"backend": backend, "precision": precision}
    monkeypatch.setattr(spaces, "resolved", lambda spec: spec.model_copy(update=answer))


def test_a_lake_keeps_the_backend_and_precision_it_was_begun_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answers(monkeypatch, "openvino", "bf16")
    names = ["all-MiniLM-L6-v2/openvino/bf16", "use-multilingual-v3/openvino/bf16"]
    assert spaces.encoder_names(spaces.pinned(RULES, str(tmp_path))) == names
    _answers(monkeypatch, "torch", "fp32")
    assert spaces.encoder_names(spaces.pinned(RULES, str(tmp_path))) == names
    # What the settings say themselves is another question, with an answer of its own.
    said = RULES.model_copy(update={"encoders": (EncoderSettings(backend="torch"),)})
    assert spaces.encoder_names(spaces.pinned(said, str(tmp_path))) == ["all-MiniLM-L6-v2/torch/fp32"]


def test_a_lake_that_pinned_a_precision_before_there_were_backends_stays_on_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answers(monkeypatch, "openvino", "fp32")
    (tmp_path / "encoders").mkdir()
    (tmp_path / "encoders" / "precision.json").write_text('{"transformer:": "bf16"}')
    names = ["all-MiniLM-L6-v2/torch/bf16", "use-multilingual-v3/openvino/fp32"]
    assert spaces.encoder_names(spaces.pinned(RULES, str(tmp_path))) == names


def test_centroids_are_trained_once_and_again_on_purpose_or_when_the_space_has_grown_fourfold(
    tmp_path: Path,
) -> None:
    def trained(rules: DiversitySettings, rows: int, seed: int) -> np.ndarray:
        return spaces.centroids(
            rules, str(tmp_path), "space/one", rows, lambda most: _sample(seed)[:most]
        ).vectors

    assert len(trained(RULES, 99, 1)) == 1  # few rows: everything with everything, nothing kept
    first = trained(RULES, 400, 1)
    assert first.shape == (8, 8)
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
    assert (trained(RULES, 399, 2) == trained(RULES, 100, 3)).all()
    assert (trained(RULES, 1_599, 2) == first).all()
    again = RULES.model_copy(update={"centroids_version": 2})
    assert not np.array_equal(trained(again, 400, 2), first)
    assert len(trained(RULES, 1_600, 3)) > len(first)  # four times the rows: new centroids, the old ones stay
    assert (trained(RULES, 400, 3) == first).all()


@examples(40)
@given(st.integers(0, 10_000), st.floats(0.9, 0.999), st.integers(2, 12))
def test_no_pair_escapes_what_the_triangle_inequality_asks_for(seed: int, similarity: float, k: int) -> None:
    rng = np.random.default_rng(seed)

    def unit(rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    some = unit(rng.normal(size=(60, 3)))  # few dimensions: many rows lie on the border of two clusters
    aside = unit(np.cross(some, rng.normal(size=(60, 3))))
    other = unit(similarity * some + np.sqrt(1 - similarity**2) * aside)
    trained = spaces.Centroids(unit(rng.normal(size=(k, 3))))
    for one, two in zip(*(trained.reaching(rows, similarity) for rows in (some, other)), strict=True):
        assert two[0] in one or one[0] in two


def test_probes_start_with_the_nearest() -> None:
    rows = _sample(4)
    trained = spaces.train(rows, 8, seed=1)
    probes = trained.probes(rows, 3)
    assert (probes[:, 0] == (rows @ trained.vectors.T).argmax(axis=1)).mean() > 0.999
    assert all(len(set(row)) == 3 for row in probes.tolist())
