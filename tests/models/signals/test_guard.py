"""A user-signal model is no reward: not by name, alias, tag, copy or twin, but for a recorded exception in its time."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from infra.errors import ModelUnknown, RegistryUnavailable, RewardRefused
from infra.settings import RewardOverrideSettings, Settings, SignalModelsSettings
from models.registry import tracking
from models.signals.guard import allow_as_reward, allow_for_ranking, mark, model_name
from models.signals.rows import SIGNALS

pytestmark = pytest.mark.xdist_group("signal-registry")
TODAY = date(2026, 11, 26)
EXCEPTION = {
    "model": "signal-continued/1", "approved_by": "Ada L.", "reason": "one week of an ablation",
    "expires": date(2026, 11, 30),
}  # fmt: skip


@pytest.fixture(scope="module")
def registry(product: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two signal models, a preference model, a twin of a signal model under a harmless name, one of unknown origin."""
    client = tracking.client(product)
    source = tmp_path_factory.mktemp("model").as_uri()
    made: dict[str, dict[str, str]] = {
        "signal-continued": {"weights_hash": "a"},
        "signal-love": {"weights_hash": "b"},
        "reward-pointwise": {"weights_hash": "c"},
        "helpful": {"weights_hash": "a"},
        "found-somewhere": {},
    }
    for name, tags in made.items():
        client.create_registered_model(name)
        client.create_model_version(name, source=source, tags=tags)
        client.set_registered_model_alias(name, "candidate", "1")
    mark(product, "signal-continued", 1, "continued")
    mark(product, "signal-love", 1, "love")
    return product


def with_override(settings: Settings, **changes: Any) -> Settings:
    override = RewardOverrideSettings.model_validate({**EXCEPTION, **changes})
    return settings.model_copy(update={"signal_models": SignalModelsSettings(reward_overrides=(override,))})


@pytest.mark.parametrize(
    "name", ["signal-continued/1", "signal-continued@candidate", "models:/signal-love/1", "helpful/1"]
)
def test_a_signal_model_is_refused_as_reward_under_any_name(registry: Settings, name: str) -> None:
    with pytest.raises(RewardRefused, match="cannot be used as a reward") as refused:
        allow_as_reward(registry, name, TODAY)
    assert "signal_models.reward_overrides" in str(refused.value)


def test_a_preference_model_passes_and_what_nobody_knows_does_not(registry: Settings) -> None:
    allow_as_reward(registry, "reward-pointwise@candidate", TODAY)
    with pytest.raises(RewardRefused, match="no lineage"):
        allow_as_reward(registry, "found-somewhere/1", TODAY)
    with pytest.raises(ModelUnknown):
        allow_as_reward(registry, "signal-continued/9", TODAY)


def test_only_two_signals_rank_candidates(registry: Settings) -> None:
    for name in ("signal-continued@candidate", "reward-pointwise/1", "helpful/1"):
        allow_for_ranking(registry, name)
    with pytest.raises(RewardRefused, match="may not rank"):
        allow_for_ranking(registry, "signal-love/1")


def test_an_exception_is_of_one_version_ends_and_is_written_down_once(registry: Settings) -> None:
    settings = with_override(registry)
    with pytest.raises(RewardRefused, match="expired on 2026-11-30"):
        allow_as_reward(settings, "signal-continued/1", date(2026, 12, 1))
    with pytest.raises(RewardRefused):
        allow_as_reward(settings, "signal-love/1", TODAY)
    with pytest.raises(RewardRefused):
        allow_as_reward(with_override(registry, model="signal-continued/2"), "signal-continued/1", TODAY)
    assert not [key for key in tracking.version_of(registry, "signal-continued/1").tags if "override" in key]
    for _ in range(2):
        allow_as_reward(settings, "signal-continued@candidate", TODAY)
        tags = tracking.version_of(registry, "signal-continued/1").tags
        told = json.loads(tags["reward_override.2026-11-30"])
        assert (told["approved_by"], told["reason"]) == ("Ada L.", "one week of an ablation")
    allow_as_reward(with_override(registry, reason="another week, agreed again"), "signal-continued/1", TODAY)
    tags = tracking.version_of(registry, "signal-continued/1").tags
    assert json.loads(tags["reward_override.2026-11-30"])["used_from"] <= told[
        "used_from"
    ] or "another" in str(tags)


def test_a_registry_that_does_not_answer_is_a_refusal(registry: Settings) -> None:
    lost = registry.tracking.model_copy(update={"uri": "http://127.0.0.1:9"})
    with pytest.raises(RegistryUnavailable):
        allow_as_reward(registry.model_copy(update={"tracking": lost}), "reward-pointwise/1", TODAY)


@pytest.mark.parametrize(
    "change", [{"reason": "because"}, {"approved_by": ""}, {"model": "signal-love@candidate"}]
)
def test_an_exception_has_a_name_a_reason_and_a_version(change: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        RewardOverrideSettings.model_validate({**EXCEPTION, **change})


def test_names_of_models() -> None:
    assert [model_name(one) for one in SIGNALS] == [
        "signal-continued", "signal-love", "signal-thumb-up", "signal-thumb-down", "signal-feedback",
    ]  # fmt: skip
