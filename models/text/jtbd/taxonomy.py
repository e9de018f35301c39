"""The jobs to be done of social chat, each with what it means, sentences that are typical of it, and its cue words.

The sentences stand in `prototypes.toml`.

The paper names the dimension and no taxonomy; this one is ours. A prompt has one job: what the user wants to get out of
the reply, not its topic ("I lost my job" is support, "which job should I take" is advice, "how does a lathe work" is
information, whatever is asked of one's own accounts, orders and diary is a task). `unknown` is not a job: it is the
label of a text that cannot be judged here.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_PROTOTYPES = tomllib.loads((Path(__file__).parent / "prototypes.toml").read_text(encoding="utf-8"))

OTHER = "other"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Intent:
    """One job.

    `cues` and `hints` are regular expressions for text in lower case, any language. A cue decides the job; a hint
    decides it only where there is no vector: "how do I" asks for facts as often as for advice.
    """

    name: str
    meaning: str
    cues: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @cached_property
    def prototypes(self) -> tuple[str, ...]:
        """Sentences that are typical of the job."""
        return tuple(_PROTOTYPES[self.name].strip().splitlines())


TAXONOMY = (
    Intent(
        "role_play",
        "Acts out a scene or story together with the character.",
        (r"^\s*\*[^*]+\*", r"\b(?:role ?-?play|let'?s pretend|act as|juego de rol|finjamos)\b"),
    ),
    Intent(
        "emotional_support",
        "Wants to be heard, comforted or encouraged.",
        (
            r"\b(?:i(?:'m| am) (?:so |really |very )?(?:sad|lonely|depressed|anxious|scared|heartbroken|stressed))\b",
            r"\b(?:me siento (?:muy )?(?:sol[oa]|triste|mal)|estoy (?:muy )?(?:triste|deprimid[oa]|ansios[oa]))\b",
            r"(?:मैं|मुझे).{0,20}(?:दुखी|अकेला|उदास|डर)",
            r"\b(?:main|mujhe|mai)\b.{0,20}\b(?:dukhi|akela|akeli|udaas|udas|dar)\b",
        ),
    ),
    Intent(
        "small_talk",
        "Passes the time: greetings, likes and dislikes, everyday life.",
        (
            r"^\s*(?:hi|hello|hey|hola|buenas|hallo|ciao|salut|नमस्ते|namaste|thanks|thank you|gracias|bye)\b[\s!.,?]*$",
            r"^\s*(?:how are you|what'?s up|¿?(?:cómo|como) est[aá]s|kaise ho|कैसे हो)",
        ),
    ),
    Intent(
        "information",
        "Asks for a fact or an explanation.",
        hints=(
            r"\b(?:what is the (?:capital|meaning|difference)|who (?:invented|wrote|discovered)|how many)\b",
            r"\b(?:cuál es la capital|quién (?:inventó|escribió)|qué significa|cuántos)\b",
            r"(?:की राजधानी|का मतलब क्या|किसने)|\b(?:ka matlab kya|kisne|ki rajdhani)\b",
        ),
    ),
    Intent(
        "advice",
        "Asks what to do about a matter of their own.",
        hints=(
            r"\b(?:should i|what (?:should|would) (?:i|you)|any (?:advice|tips)|recommend|how (?:do|can) i)\b",
            r"\b(?:debería|qué (?:debo|hago|puedo) hacer|recomiendas|algún consejo)\b",
            r"(?:क्या करूँ|क्या करना चाहिए|सलाह)|\b(?:kya karu|kya karoon|salah|kya karna chahiye)\b",
        ),
    ),
    Intent(
        "creative_writing",
        "Wants a text written: a poem, story, song, caption, message.",
        (
            r"\b(?:write|compose) (?:me |us )?(?:an? |the |some )?(?:\w+ )?"
            r"(?:poem|story|song|caption|essay|letter|lyrics|script)",
            r"\btell me a (?:\w+ )?story\b|\b(?:escribe|cuéntame) (?:un|una) (?:poema|historia|cuento|canción)",
            r"(?:कविता|कहानी) (?:लिख|सुना)|\b(?:kavita|kahani) (?:likh|suna)",
        ),
    ),
    Intent(
        "planning_task",
        "Wants something done or organised: a plan, booking, calculation, translation, code.",
        (
            r"\b(?:translate|book (?:me )?a|remind me|set an? (?:alarm|timer|reminder)|schedule)\b",
            r"\bplan (?:me )?(?:a|my)\b",
            r"\b(?:traduce|reserva(?:me)?|recuérdame|planifica)\b|अनुवाद|\banuvad\b",
        ),
    ),
    Intent(
        "image_request",
        "Asks for a picture to be made or shown.",
        (
            r"\b(?:draw|generate|create|make|send|show|imagine)\b.{0,20}\b(?:picture|image|photo|pic|selfie|drawing|painting)\b",
            r"\b(?:dibuja|dibújame|envíame una foto|genera una imagen|una foto tuya)\b",
            r"(?:तस्वीर|फोटो|चित्र).{0,15}(?:बना|भेज|दिखा)|\b(?:tasveer|photo|pic)\b.{0,15}\b(?:bana|bhej|dikha)",
        ),
    ),
    Intent(
        "entertainment",
        "Wants to be amused: jokes, games, riddles, quizzes, gossip.",
        (
            r"\b(?:tell me (?:a|another) joke|joke|riddle|trivia|truth or dare|let'?s play|make me laugh|i'?m bored)\b",
            r"\b(?:chiste|adivinanza|juguemos|estoy aburrid[oa]|hazme reír)\b",
            r"चुटकुला|पहेली|\b(?:chutkula|paheli|joke suna)\b",
        ),
    ),
    Intent(
        OTHER,
        "None of these: abuse, tests of the system, noise, or too little to tell.",
    ),
)

NAMES = tuple(intent.name for intent in TAXONOMY)
