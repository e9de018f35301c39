"""A real test of players through the jobs, against two libraries; all 90,189 of them: benchmarks/cookie_cats.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from benchmarks.cookie_cats import by_libraries, distance, read_players, through_the_jobs


@pytest.mark.nightly
@pytest.mark.real_data
def test_a_readout_of_real_players_is_what_libraries_say(
    spark: SparkSession, shared_data: Path, tmp_path: Path
) -> None:
    players, is_real = read_players(shared_data, 1_500, np.random.default_rng(7))
    assert is_real
    ours, users, _ = through_the_jobs(tmp_path, players)
    assert users == {arm: int((players.arm == arm).sum()) for arm in ("gate_30", "gate_40")}
    assert distance(ours, by_libraries(players)) < 1e-9
