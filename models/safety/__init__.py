"""Unsafe text, by category: a rule layer per language and models behind one interface."""

from models.safety.interface import CATEGORIES, SAFE, SafetyModel, SafetyScore
from models.safety.lexicon import LexiconModel
from models.safety.packaged import GeneratedTextModel
from models.safety.profanity import ProfanityModel

__all__ = [
    "CATEGORIES",
    "SAFE",
    "GeneratedTextModel",
    "LexiconModel",
    "ProfanityModel",
    "SafetyModel",
    "SafetyScore",
]
