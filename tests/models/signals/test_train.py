"""Signal models on a small product: a planted signal is learnt and registered, shuffled labels are at chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from infra.errors import TrainingRefused
from infra.settings import Settings
from models.calibration import Calibration
from models.registry import tracking
from models.registry.register import fetch
from models.signals.baselines import baselines
from models.signals.model import SEEN, happened, labelled
from models.signals.registration import Job, Outcome, train_and_register
from models.signals.rows import SignalRows, signal_rows
from models.signals.train import split_parts, train_signal, without_repeats
from models.signals.transformer import Transformer, calibration_of, positive_weight
from models.training.base import base_model
from models.training.configuration import configuration

pytestmark = pytest.mark.xdist_group("signal-registry")
TINY = configuration("signals-smoke", steps=40, batch=16, learning_rate=2e-3, max_length=64)


@pytest.fixture(scope="module")
def rows(product: Settings) -> Iterator[SignalRows]:
    with signal_rows(product) as found:
        yield found


@pytest.fixture(scope="module")
def outcomes(product: Settings, rows: SignalRows) -> dict[str, Outcome]:
    job = Job(TINY)
    return {one.signal: one for one in train_and_register(product, rows, ("thumb_up", "love"), job)}


def test_a_planted_signal_is_learnt_and_its_probabilities_are_frequencies(
    outcomes: dict[str, Outcome],
) -> None:
    """The best that can be had is an AUC of .8 (.8 against .2, half of each); length and mood tell next to nothing."""
    trained = outcomes["thumb_up"].trained
    assert trained is not None
    found = trained.evaluation
    assert found.overall.auc.low is not None
    assert found.overall.auc.low > 0.65
    assert found.gains["length_only"].low is not None
    assert found.gains["length_only"].low > 0.05
    assert found.calibrated.error < 0.15
    assert abs(found.calibrated.gap.value or 1) < 0.1
    assert {one.cell for one in found.cells} == {"all", "jtbd=planning", "jtbd=role_play"}
    fates = ("unknown", "train", "calibration", "evaluation", "not_drawn", "repeats_evaluation")
    assert sum(trained.counts[f"rows.{fate}"] for fate in fates) == 150 * 5


def test_a_version_has_its_figures_its_tables_and_its_calibration(
    product: Settings, rows: SignalRows, outcomes: dict[str, Outcome]
) -> None:
    done = outcomes["thumb_up"]
    assert done.trained is not None
    version = tracking.version_of(product, "signal-thumb-up@candidate")
    assert version.tags["kind"] == "user_signal"
    for one in rows.snapshots:
        assert f'"table": "{one.table}", "version": {one.version}' in version.tags["snapshots"]
    folder = fetch(product, "signal-thumb-up@candidate")
    assert calibration_of(folder) == done.trained.calibration
    sample = rows.table.slice(0, 20).select(SEEN)
    again = calibration_of(folder)(Transformer(folder, TINY.max_length).logits(sample))
    np.testing.assert_allclose(again, done.trained.probabilities(sample), atol=1e-5)
    run = tracking.client(product).get_run(version.run_id)
    assert run.data.metrics["auc"] == pytest.approx(done.trained.evaluation.overall.auc.value)
    assert {"calibration.error", "bias.last_response.predicted", "bias.last_response.labelled"} <= set(
        run.data.metrics
    )
    assert not any("dragons" in value for value in run.data.params.values())


def test_a_signal_that_nobody_knows_is_told_and_the_rest_goes_on(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["love"].trained is None
    assert "love is known of 0 training responses" in outcomes["love"].refused


def test_the_same_rows_again_train_and_register_nothing_new(
    product: Settings, rows: SignalRows, outcomes: dict[str, Outcome]
) -> None:
    """Also after a kill between training and registering: the run is found done, the version by its identity."""
    before = outcomes["thumb_up"].registered
    assert before is not None
    (again,) = train_and_register(product, rows, ("thumb_up",), Job(TINY))
    assert again.registered == dataclasses.replace(before, created=False)
    assert len(tracking.all_versions(product, "signal-thumb-up")) == 1


def test_shuffled_labels_are_at_chance(product: Settings, rows: SignalRows, tmp_path: Path) -> None:
    shuffled = np.random.default_rng(1).permutation(rows.table["thumb_up"].to_pylist())
    table = rows.table.drop_columns(["thumb_up"]).append_column(
        "thumb_up", pa.array(list(shuffled), pa.bool_())
    )
    found = train_signal(tmp_path, TINY, base_model(product), table, "thumb_up").evaluation.overall.auc
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high


def test_parts_are_apart_by_user_and_do_not_move(rows: SignalRows) -> None:
    table = labelled(rows.table, "thumb_up")
    parts = split_parts(table, 7)
    users = [set(one["user_id"].to_pylist()) for one in (parts.train, parts.calibration, parts.evaluation)]
    assert len(set.union(*users)) == sum(len(one) for one in users)
    assert sum(one.num_rows for one in (parts.train, parts.calibration, parts.evaluation)) == table.num_rows
    # Fewer rows are drawn from the same, and who calibrates does not change.
    fewer = split_parts(table, 7, most=50)
    assert set(fewer.train["turn_id"].to_pylist()) < set(parts.train["turn_id"].to_pylist())
    assert fewer.train.num_rows == 50
    assert fewer.calibration.equals(parts.calibration)
    moved = table.set_column(
        table.schema.get_field_index("split"),
        "split",
        pa.array(["train", "evaluation"] * 999)[: table.num_rows],
    )
    with pytest.raises(TrainingRefused, match="both sides of the split"):
        split_parts(moved, 7)


def test_training_rows_that_repeat_an_evaluation_row_are_left_out(rows: SignalRows) -> None:
    parts = split_parts(labelled(rows.table, "thumb_up"), 7)
    # The first two evaluation rows again, in the words of two training users.
    copied = parts.train.slice(0, 2)
    for name in ("context", "response"):
        place = copied.schema.get_field_index(name)
        copied = copied.set_column(place, name, parts.evaluation.slice(0, 2)[name])
    more = pa.concat_tables([parts.train.slice(2), copied])
    found, report = without_repeats(dataclasses.replace(parts, train=more))
    assert len(report.leaking) == report.exact == 2
    assert found.train["turn_id"].to_pylist() == parts.train["turn_id"].to_pylist()[2:]


def test_models_see_nothing_but_what_was_there(rows: SignalRows) -> None:
    """A baseline fitted on the whole table gives the same answer to a table without labels, users and times."""
    table = labelled(rows.table, "thumb_up")
    for one in baselines(table, happened(table, "thumb_up")):
        np.testing.assert_array_equal(one.logits(table), one.logits(table.select(SEEN)))


def test_positives_weigh_as_much_as_negatives_when_balanced() -> None:
    assert positive_weight(TINY, [1, 0, 0, 0]) == 3.0
    assert positive_weight(TINY.model_copy(update={"pos_weight": None}), [1, 0]) is None
    with pytest.raises(TrainingRefused, match="same outcome"):
        positive_weight(TINY, [0, 0])


def test_a_model_without_calibration_is_no_signal_model(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.raises(TrainingRefused, match="no calibration"):
        calibration_of(tmp_path)
    assert Calibration.of({"kind": "platt", "slope": 2, "offset": -1})(np.array([0.5]))[0] == 0.5
