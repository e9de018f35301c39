"""Which language a text is in, offline: fastText, script heuristics, a Romanised-Hindi model and word lists."""

from models.text.language.identify import Language, identify

__all__ = ["Language", "identify"]
