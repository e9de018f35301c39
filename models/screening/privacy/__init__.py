"""Find personal identifiers in text by rules and packaged models, and redact them by span."""

from models.screening.privacy.detect import ENTITY_TYPES, PrivacyModel, rule_spans
from models.screening.privacy.span import Span, merge, redact

__all__ = ["ENTITY_TYPES", "PrivacyModel", "Span", "merge", "redact", "rule_spans"]
