"""Unsafe text, by category: a rule layer per language and models behind one interface."""

from models.screening.hazards import CATEGORIES
from models.screening.safety.interface import SAFE, SafetyModel, SafetyScore
from models.screening.safety.lexicon import LexiconModel
from models.screening.safety.packaged import GeneratedTextModel
from models.screening.safety.profanity import ProfanityModel

__all__ = [
    "CATEGORIES",
    "SAFE",
    "GeneratedTextModel",
    "LexiconModel",
    "ProfanityModel",
    "SafetyModel",
    "SafetyScore",
]
