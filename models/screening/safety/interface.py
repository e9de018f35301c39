"""The interface of safety models: texts in, scores by hazard category out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# The scale that all models share: from REVIEW a person should look, from REJECT the model is sure. Each model maps its
# own measure to this scale, so that one pair of settings (screening.review_at, .reject_at) applies to all.
REVIEW = 0.4
REJECT = 0.7


@dataclass(frozen=True)
class SafetyScore:
    """The highest hazard of one text: a category of `hazards.CATEGORIES` (None = none found) and a score in [0, 1]."""

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
