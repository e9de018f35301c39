"""Which signal model may be a candidate: one that ranks better than chance and than the length of the response."""

from __future__ import annotations

from infra.settings import CandidateSettings
from models.signals.evaluation import Evaluation
from models.signals.ranking import Figure

_LENGTH = "length_only"


def lacking(evaluation: Evaluation, rules: CandidateSettings) -> tuple[str, ...]:
    """What keeps a model from being a candidate, in words; empty if nothing does."""
    auc, gain = evaluation.overall.auc, evaluation.gains.get(_LENGTH, Figure(None, None, None))
    reasons = []
    if auc.low is None or not auc.low > rules.signal_auc_above:
        reasons.append(f"AUC {_text(auc)}: the lower end must be above {rules.signal_auc_above:g}")
    if rules.beat_length == "estimate" and (gain.value is None or not gain.value > 0):
        reasons.append(f"AUC is {_text(gain)} over the length of the response alone, and must be above 0")
    if rules.beat_length == "interval" and (gain.low is None or not gain.low > 0):
        reasons.append(
            f"AUC is {_text(gain)} over the length of the response alone, and the whole interval must be above 0"
        )
    return tuple(reasons)


def _text(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "unknown (too few rows)"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
