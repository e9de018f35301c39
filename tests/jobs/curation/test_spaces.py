"""What a lake keeps for its spaces: a precision, and centroids that stay until they are retrained on purpose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from infra.settings import DiversitySettings
from jobs.curation import spaces

RULES = DiversitySettings(exhaustive_rows=100, rows_per_cluster=50)


def _sample(seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(400, 8)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def test_a_lake_keeps_the_precision_it_was_begun_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spaces, "resolve_precision", lambda spec: "bf16")
    assert spaces.encoder_names(spaces.pinned(RULES, str(tmp_path)))[0] == "all-MiniLM-L6-v2/torch/bf16"
    monkeypatch.setattr(spaces, "resolve_precision", lambda spec: "fp32")
    assert spaces.encoder_names(spaces.pinned(RULES, str(tmp_path)))[0] == "all-MiniLM-L6-v2/torch/bf16"


def test_centroids_are_trained_once_and_again_only_on_purpose(tmp_path: Path) -> None:
    def trained(rules: DiversitySettings, rows: int, seed: int) -> np.ndarray:
        return spaces.centroids(
            rules, str(tmp_path), "space/one", rows, lambda most: _sample(seed)[:most]
        ).vectors

    assert len(trained(RULES, 99, 1)) == 1  # few rows: everything with everything, nothing kept
    first = trained(RULES, 400, 1)
    assert first.shape == (8, 8)
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
    assert (trained(RULES, 4000, 2) == first).all()
    again = RULES.model_copy(update={"centroids_version": 2})
    assert not np.array_equal(trained(again, 400, 2), first)
    assert (trained(RULES, 400, 3) == first).all()


def test_probes_start_with_the_nearest() -> None:
    rows = _sample(4)
    trained = spaces.train(rows, 8, seed=1)
    probes = trained.probes(rows, 3)
    assert (probes[:, 0] == (rows @ trained.vectors.T).argmax(axis=1)).mean() > 0.999
    assert all(len(set(row)) == 3 for row in probes.tolist())
