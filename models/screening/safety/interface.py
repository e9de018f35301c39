"""The interface of safety models (texts in, scores by hazard category out) and the list of categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# Llama Guard 3's hazard taxonomy (MLCommons), which the Llama 3.1 policy of the paper's section 2.6 uses.
CATEGORIES = {
    "S1": "violent crimes",
    "S2": "non-violent crimes",
    "S3": "sex-related crimes",
    "S4": "child sexual exploitation",
    "S5": "defamation",
    "S6": "specialised advice",
    "S7": "privacy",
    "S8": "intellectual property",
    "S9": "indiscriminate weapons",
    "S10": "hate and harassment",
    "S11": "suicide and self-harm",
    "S12": "sexual content",
    "S13": "elections",
    "S14": "code interpreter abuse",
}

# The scale that all models share: from REVIEW a person should look, from REJECT the model is sure. Each model maps its
# own measure to this scale, so that one pair of settings (screening.review_at, .reject_at) applies to all.
REVIEW = 0.4
REJECT = 0.7


@dataclass(frozen=True)
class SafetyScore:
    """The highest hazard of one text: a category of `CATEGORIES` (None = none found) and a score in [0, 1]."""

    category: str | None
    score: float


SAFE = SafetyScore(None, 0.0)


class SafetyModel(Protocol):
    """Anything that scores texts for safety: rules, a packaged classifier, Llama Guard behind a hub id or a path."""

    @property
    def name(self) -> str:
        """Short name, used in reasons and in detector_versions."""

    @property
    def version(self) -> str:
        """Changes whenever the answers may change."""

    def load(self) -> None:
        """Load what scoring needs. Raises DetectorUnavailable when that is missing."""

    def supports(self, language: str) -> bool:
        """Whether the model can score texts of this BCP-47 tag."""

    def score(self, texts: Sequence[str], language: str) -> list[SafetyScore]:
        """One score a text, in order, whatever the texts' length."""
