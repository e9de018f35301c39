"""Which language a text is in, offline: fastText, script heuristics and a Romanised-Hindi model."""

from models.text.language.identify import Language, identify

__all__ = ["Language", "identify"]
