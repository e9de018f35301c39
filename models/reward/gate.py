"""Which reward model may be a candidate: one that is better than chance, than its own position and than length."""

from __future__ import annotations

from infra.settings import CandidateSettings
from models.reward.evaluate import Judged, longer_hits
from models.reward.intervals import Accuracy, difference


def lacking(judged: Judged, rules: CandidateSettings) -> tuple[str, ...]:
    """What keeps a model from being a candidate, in words; empty if nothing does.

    Args:
        judged: all held-apart pairs, of all modes and batches.
    """
    if not judged.pairs:
        return ("no held-out pair fits the model",)
    reasons = [
        *_above("accuracy", judged.accuracy(), rules.reward_accuracy_above),
        *_above("consistency in both orders", judged.consistency(), rules.pairwise_consistency_above),
    ]
    gain = difference(
        judged.hits, longer_hits(judged.pairs), clusters=[pair.cluster for pair in judged.pairs]
    )
    over = f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] over choosing the longer response"
    if rules.beat_length == "estimate" and not gain.value > 0:
        reasons.append(f"accuracy is {over}, and must be above 0")
    if rules.beat_length == "interval" and not gain.low > 0:
        reasons.append(f"accuracy is {over}, and the whole interval must be above 0")
    return tuple(reasons)


def _above(what: str, share: Accuracy | None, least: float) -> tuple[str, ...]:
    if share is None or share.low > least:
        return ()
    return (f"{what} {share} on {share.n} pairs: the lower end must be above {least:g}",)
