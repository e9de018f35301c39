"""Restrict the use of user-signal models: p(continued) and p(thumb up) may rank candidates, and none may be a reward.

Thumbs come late, at the end of sessions, and depend on mood and task (section 3.5.5). A policy that is trained to raise
such a score learns these biases. An exception is a setting with a name, a reason and an end
(`signal_models.reward_overrides`); it is recorded on the model version before it takes effect. If a check or a record
is not possible, the use is refused.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

from infra.errors import RewardRefused
from infra.settings import RewardOverrideSettings, Settings
from models.registry import tracking
from models.signals.rows import SIGNALS

KIND_TAG, KIND, SIGNAL_TAG = "kind", "user_signal", "signal"
OVERRIDE_TAG = "reward_override"
RANKING = ("continued", "thumb_up")
"""The signals that the paper uses to rank candidates of rejection sampling (section 2.3.2)."""
_PREFIX = "signal-"
_WEIGHTS, _UNKNOWN_SIGNAL = "weights_hash", "unknown"
_REASONS = {
    "continued": "whether users continue depends on the state of the session, not on the response alone",
    "love": "users reward flattery with love, especially at the end of a conversation",
    "thumb_up": "thumbs come late, depend on mood and task, and favour flattery and long responses",
    "thumb_down": "thumbs come late, and depend on mood and task: avoiding them does not make responses good",
    "feedback": "users write feedback when they are pleased or displeased, and the model cannot tell which",
}


def model_name(signal: str) -> str:
    """The registered name of a signal's model: `signal-thumb-up`."""
    return f"{_PREFIX}{signal.replace('_', '-')}"


def allow_as_reward(settings: Settings, model: str, on: date | None = None) -> None:
    """Return if a registered model may be a reward of reinforcement learning.

    Every path that takes a reward model by name must call this first; other models than user-signal models pass.

    Args:
        model: `name@alias` or `name/3`.
        on: the UTC date to judge an override by; default today.

    Raises:
        RewardRefused: it is a user-signal model and no override for this version is valid today, or its kind is
            unknown.
        ModelUnknown: there is no such version.
        RegistryUnavailable: the registry does not answer, or the override cannot be recorded.
    """
    version = tracking.version_of(settings, model)
    signal = _signal_of(settings, version)
    if signal is None:
        return
    version_name = f"{version.name}/{version.version}"
    today = on or datetime.now(UTC).date()
    overrides = [
        override for override in settings.signal_models.reward_overrides if override.model == version_name
    ]
    valid = [override for override in overrides if today <= override.expires]
    if not valid:
        expired_note = (
            f"; its override expired on {max(override.expires for override in overrides)}"
            if overrides
            else ""
        )
        raise RewardRefused(
            f"{version_name} predicts a user signal and cannot be used as a reward (sections 2.3.2, 3.5.5): "
            f"{_REASONS.get(signal, 'its labels are biased')}{expired_note}",
            setting="signal_models.reward_overrides",
            hint="Use a preference model. To allow it for a time, add {model = "
            f'"{version_name}", approved_by, reason, expires}}: it is recorded on the version.',
        )
    _record(settings, version, max(valid, key=lambda override: override.expires))


def allow_for_ranking(settings: Settings, model: str) -> None:
    """Return if a registered model may rank candidates of rejection sampling (section 2.4.1).

    Raises:
        RewardRefused: it is the model of a user signal that is not in `RANKING`.
        ModelUnknown: there is no such version.
        RegistryUnavailable: the registry does not answer.
    """
    version = tracking.version_of(settings, model)
    signal = _signal_of(settings, version)
    if signal is not None and signal not in RANKING:
        raise RewardRefused(
            f"{version.name}/{version.version} may not rank candidates: "
            f"only p({') and p('.join(RANKING)}) of the user signals do (section 2.3.2)",
            hint=f"Take {' or '.join(model_name(name) for name in RANKING)}, or a preference model.",
        )


def mark(settings: Settings, name: str, version: int, signal: str) -> None:
    """Tag a version as a user-signal model, so that it is recognised under any name."""
    client = tracking.client(settings)
    with tracking.registry_errors(settings):
        client.set_model_version_tag(name, str(version), KIND_TAG, KIND)
        client.set_model_version_tag(name, str(version), SIGNAL_TAG, signal)


def _signal_of(settings: Settings, version: Any) -> str | None:
    """The signal that a version predicts by its name, its tags or its weights; None for another kind of model.

    The same weights under another name are the same model.
    """
    tags = dict(version.tags)
    if tags.get(KIND_TAG) == KIND or str(version.name).startswith(_PREFIX):
        signal_in_name = str(version.name).removeprefix(_PREFIX).replace("-", "_")
        return str(tags.get(SIGNAL_TAG) or (signal_in_name if signal_in_name in SIGNALS else _UNKNOWN_SIGNAL))
    if not tags.get(_WEIGHTS):
        raise RewardRefused(
            f"{version.name}/{version.version} has no lineage, so what it predicts is unknown",
            hint="Register it with models.registry.register.",
        )
    same_weights = tracking.all_versions(settings, **{_WEIGHTS: tags[_WEIGHTS], KIND_TAG: KIND})
    return str(dict(same_weights[0].tags).get(SIGNAL_TAG, _UNKNOWN_SIGNAL)) if same_weights else None


def _record(settings: Settings, version: Any, override: RewardOverrideSettings) -> None:
    """Record the decision on the version, unless it is recorded: the time of the first use stays."""
    decision = {
        "approved_by": override.approved_by,
        "reason": override.reason,
        "expires": str(override.expires),
    }
    key = f"{OVERRIDE_TAG}.{override.expires}"
    recorded = json.loads(version.tags[key]) if key in version.tags else {}
    if {name: recorded.get(name) for name in decision} == decision:
        return
    used_from = datetime.now(UTC).isoformat(timespec="seconds")
    client = tracking.client(settings)
    with tracking.registry_errors(settings):
        client.set_model_version_tag(
            version.name,
            version.version,
            key,
            json.dumps({**decision, "used_from": used_from}, sort_keys=True),
        )
