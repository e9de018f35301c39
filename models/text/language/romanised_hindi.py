"""Tells Romanised Hindi (`hi-Latn`) from other Latin-script text, one word at a time.

No packaged detector knows Romanised Hindi. This one learns two character n-gram distributions at
first use: Hindi word forms (generated from verb stems and endings, a list of function words, the
`hinglish` lines of chatterbot-corpus and its Hindi lines transliterated) against the words of ten other
Latin-script languages of the same package and of spaCy's stop-word lists. No data file is stored with the project.
"""

from __future__ import annotations

import importlib.util
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from itertools import product
from pathlib import Path

_WORD = re.compile(r"[^\W\d_]+")
_REPEATED = re.compile(r"([^\W\d_])\1{2,}")
_CORPUS_LINE = re.compile(r"(?:- -|  -) +(.+)")
_NGRAM_SIZES = (2, 3, 4)
_CLIP = 4.0
_SMOOTHING = 0.5
# Longer words than people write are not cached, so that the cache stays small.
_CACHED_WORDS, _LONGEST_CACHED = 200_000, 64
# A long Spanish or German text holds Hindi-looking words by chance; it is theirs if most of its words are.
_MOSTLY_FOREIGN = 0.5
_Evidence = tuple[bool, bool, bool, float]
"""Of one word: certain, likely or shared Hindi, and its log-odds."""
_OTHER_CORPORA = (
    "english", "spanish", "german", "french", "italian", "dutch", "portuguese", "indonesian", "turkish",
    "swedish",
)  # fmt: skip
_OTHER_STOP_WORDS = ("en", "es", "de", "fr", "it", "nl", "pt", "id", "tr", "sv", "pl", "ro", "da", "fi")


def _listed(block: str) -> tuple[str, ...]:
    return tuple(block.split())


# Words that are Hindi and hardly anything else in Latin script.
_FUNCTION_WORDS = _listed("""
hai hain hay hoon hun hu tha thi thaa thee nahi nahin nai nhi nahee naa mat kya kyaa kia kyu kyun kyon kaise
kaisa kaisi kese kesa kesi kab kahan kahaan kaha kidhar kaun kon kitna kitne kitni kitnaa konsa kaunsa kaunse konse
kaunsi mujhe muje mujhko mujhse mera mere meri tera tere teri tum tumhara tumhare tumhari tumhe tumhen tumko
tumse tujhe tujhko aap aapka aapke aapki aapko aapse apka apke apki apko apna apne apni apnaa hum humein hume
hamein hame humko humse hamara hamare hamari humara unka unke unki unko unse unhe unhone uska uske uski usko usse
iska iske iski isko isse inka inke inki inko yeh yah woh vo voh koi kuch kuchh kuchbhi sab sabhi sabko sabse bhi
toh aur lekin magar phir fir agar kyunki kyuki kyoki isliye jab tab abhi kabhi yahan yaha yahin wahan waha wahin
idhar udhar jaise jaisa jaisi waise waisa aise aisa aisi bahut bohot bahot boht thoda thodi thode zyada jyada
zyaada acha accha achha achhi acchi achche acche theek thik tik bilkul haan haa haanji hanji ji yaar yar bhai
bhaiya behen behan didi dost dosto beta beti baccha bacche ladka ladki ladke aadmi aurat log logo ghar kaam
khana pani paani paisa paise din raat subah shaam kal aaj parso saal mahina hafta samay waqt baar pehle pahle baad
baat baatein sawal jawab matlab pata malum maloom zaroor jaroor jarur zaruri shayad sirf bas keval dono teen char
paanch saat aath nau das sau hazaar lakh crore ek do dil pyar pyaar mohabbat khush khushi dukh dard gussa mast
badhiya bura buri bure sundar chhota chota bada badi bade naya naye nayi purana purani garam thanda mushkil aasan
asaan sahi galat jaldi der dheere zor andar bahar upar neeche niche aage peeche saamne paas pass dur door
shukriya dhanyavaad dhanyawad namaste namaskar pranam alvida swagat kripya kripaya maaf maafi arre arey abe oye
accha chalo chaliye dekho suno batao bataiye bolo boliye karo kariye kijiye dijiye lijiye jaao jao aao aaiye
baitho raha rahi rahe rha rhi rhe gaya gayi gaye gya gyi hua hui huye hue kiya kiye diya diye liya liye wala wali
wale waala waali vala vale vali ke ka ki ko se ne mein mai mae tak liye saath sath bina bagair taraf zindagi
jindagi duniya desh shahar gaon naam umar rang gana gaana gaane khel kitab padhai school mummy papa maa baap
chahiye chahie chaahiye sakta sakte sakti paya paata lagta lagti lagte laga lagi gya hota hote hoti hona hone hogi
hoga honge hogaya hojaye jata jate jati karta karte karti karna karne karke karunga karungi karenge karega karegi
""")

# Hindi among other Hindi words; common words or names elsewhere too, so they decide nothing alone.
_AMBIGUOUS = frozenset(
    _listed("""
    ka ki ko ke se ne do ek kal mein mai tak kia tab sab kab par to me main is us ho hi na the are or log school
    papa mummy pass door rang din das sau char mat kon mast tere teen tum hay ji bas aura hame der dur jawab nai
    sabse tik vala sundar khana karo ne hun hu ha han haa baar sahi asaan naam das bade bure dono dil hue yar vo
    kya hum apna beta abe tin pani
    """)
) - {"kya", "hum", "apna"}

# Spellings of hurried chat, and forms that requests are made of.
_CHAT_SPELLINGS = _listed("""
mei pta nai nhi krna kr krta krti krte krke krunga krungi rha rhi rhe kha phle pucha tmko tmhe chlo bhot bht bhut
kch thk kro krdo kardo krlo karlo dedo lelo btao bta btana smjh smjha nind mjhe tjhe tumne maine usne unhone humne
aapne isme usme jisme jo jisne jiska jiski jise kisi kisne kiska kiski kise kisko wali walo sach sb jb tb khan yha
wha yahi wahi esa aesa aysa kyo kyoki ky haal gyi gaye liyo diyo pr pe dono dhundo dhoodo ghr lg agr mgr hogya
hogyi jana jaana aana sona uthna baithna dekhna sunna bolna bole bola boli puch pucho kahi kahin kyonki baje tarikh
mahine hafte dinon samay agle agale pichle har dusra teesra pehla akhri lgta lgti lga dena deta deti lena leta leti
aata aati aate jaata jaati dikha dikhao dikhaye dikhayen sunao sunaye bajao bajaye bajayen chalao chalaye banao
banaye karein karen karo kare bhejo bheje bhejen hatao hataye badlo badle badal jodo jode roko roke shuru khol
kholo milao dilao dilaye ni koe kon sbhi
""")

_CLOSING_VERBS = frozenset(_listed("hai hain hay hoon hu hun tha thi hoga hogi"))
_ENGLISH_LOOKING = frozenset(
    _listed("to me main is us the are or log school he so pass door do char mat din rang tin")
)
_SHARED_FUNCTION_WORDS = (_AMBIGUOUS | frozenset(_FUNCTION_WORDS + _CHAT_SPELLINGS)) - _ENGLISH_LOOKING
_CLOSING = _CLOSING_VERBS | frozenset(_CHAT_SPELLINGS)

_VERB_STEMS = _listed("""
kar ja aa de le bol sun dekh kha pi so bata samajh samjh chal reh mil likh padh parh khel seekh sikh pooch puch
soch rakh laga ban bana hat nikal uth baith ro has hans bhej mangwa maang bula khol band badal chod chhod bhool
bhul yaad maan jaan ghum ghoom pakad daal dal utar chadh bech khareed kharid kat kaat jeet haar bajao baja chala
dikha sikha sula jaga mila pila khila sudhar tod jod
gir phenk fek rok ruk bach bacha banwa lagwa sunao dho pahan pehen nach gaa
""")
_VERB_ENDINGS = _listed("""
na ne ni ta te ti o ya yi ye iye iyega unga ungi enge ega egi oge ogi kar ke a i e u un oon en ein ayi aye aya ana
ane ao aunga aungi ayenge ayega aoge wa wao wana lo
do dena lena diya liya raha rahi rahe rha sakta sakte gaya gayi chuka
""")

_CONSONANTS = {
    "क": "k", "ख": "kh", "ग": "g", "घ": "gh", "ङ": "n", "च": "ch", "छ": "chh", "ज": "j", "झ": "jh", "ञ": "n",
    "ट": "t", "ठ": "th", "ड": "d", "ढ": "dh", "ण": "n", "त": "t", "थ": "th", "द": "d", "ध": "dh", "न": "n",
    "प": "p", "फ": "ph", "ब": "b", "भ": "bh", "म": "m", "य": "y", "र": "r", "ल": "l", "व": "v", "श": "sh",
    "ष": "sh", "स": "s", "ह": "h", "क़": "q", "ज़": "z", "ड़": "d", "ढ़": "dh", "फ़": "f",
}  # fmt: skip
_VOWELS = {"अ": "a", "आ": "aa", "इ": "i", "ई": "ee", "उ": "u", "ऊ": "oo", "ऋ": "ri", "ए": "e", "ऐ": "ai", "ओ": "o", "औ": "au"}  # noqa: E501  # fmt: skip
_SIGNS = {"ा": "a", "ि": "i", "ी": "i", "ु": "u", "ू": "u", "ृ": "ri", "े": "e", "ै": "ai", "ो": "o", "ौ": "au"}
_NASALS = {"ं": "n", "ँ": "n", "ः": "h"}
_VIRAMA, _NUKTA = "\u094d", "\u093c"


# Logistic weights of `RomanisedHindi.signs`, fitted by benchmarks.labels on the tuning half of every set of texts:
# shares and log counts of certain, likely and shared words; mean and highest word score; closes on a verb; share of
# words known to any other language, and to any but English; fastText's belief in another language. The intercept that
# was fitted is 2.21: lowered, for a false alarm costs more than a miss.
WEIGHTS = (1.23, 0.72, 6.62, 4.34, 1.92, 2.88, 1.4, 0.55, 3.87, -5.32, -5.38, -0.86)
INTERCEPT = 0.3


def transliterate(devanagari: str) -> str:
    """Casual Romanisation of Devanagari text, as people type it (no diacritics, final schwa dropped)."""
    out: list[str] = []
    text = unicodedata.normalize("NFC", devanagari)
    for i, char in enumerate(text):
        following = text[i + 1] if i + 1 < len(text) else " "
        if following == _NUKTA:
            following = text[i + 2] if i + 2 < len(text) else " "
        if char in _CONSONANTS:
            word_ends = not ("\u0900" <= following <= "\u0963")
            bare = following in _SIGNS or following == _VIRAMA or word_ends
            out.append(_CONSONANTS[char] + ("" if bare else "a"))
        elif char in (_VIRAMA, _NUKTA):
            continue
        else:
            out.append(_VOWELS.get(char) or _SIGNS.get(char) or _NASALS.get(char) or char)
    return "".join(out)


def words_of(text: str) -> list[str]:
    """Lower-cased alphabetic words with repeated letters cut to two ('haaaan' → 'haan')."""
    return _WORD.findall(_REPEATED.sub(r"\1\1", text.lower()))


@lru_cache(maxsize=32)
def corpus_lines(language: str) -> tuple[str, ...]:
    """The lines of one language folder of chatterbot-corpus, in file order.

    Its YAML is a flat list of `- - line` and `  - line`; reading it as lines is fifty times faster than
    a YAML parser, and a line lost to quoting does no harm to letter statistics.
    """
    folder = resources.files("chatterbot_corpus").joinpath("data", language)
    lines: list[str] = []
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        for line in file.read_text(encoding="utf-8").splitlines():
            match = _CORPUS_LINE.match(line)
            if match:
                lines.append(match.group(1))
    return tuple(lines)


@lru_cache(maxsize=32)
def stop_words(code: str) -> tuple[str, ...]:
    """spaCy's stop words of a language, sorted; read as text, because importing spaCy costs seconds."""
    spec = importlib.util.find_spec("spacy")
    if spec is None or spec.origin is None:
        return ()
    source = (Path(spec.origin).parent / "lang" / code / "stop_words.py").read_text(encoding="utf-8")
    return tuple(
        sorted({word for block in re.findall(r'"""(.*?)"""', source, re.S) for word in block.split()})
    )


def _hindi_words() -> Counter[str]:
    counts: Counter[str] = Counter()
    for word in _FUNCTION_WORDS:
        counts[word] += 6
    for stem, ending in product(_VERB_STEMS, _VERB_ENDINGS):
        counts[stem + ending] += 1
    for line in corpus_lines("hinglish"):
        counts.update(words_of(line))
    for line in [*corpus_lines("hindi"), *stop_words("hi")]:
        counts.update(words_of(transliterate(line)))
    return counts


def _other_words() -> Counter[str]:
    counts: Counter[str] = Counter()
    for language in _OTHER_CORPORA:
        counts.update(word for line in corpus_lines(language) for word in words_of(line))
    for code in _OTHER_STOP_WORDS:
        for word in stop_words(code):
            counts[word] += 3
    return counts


def _ngrams(word: str) -> Iterable[str]:
    padded = f"^{word}$"
    for size in _NGRAM_SIZES:
        for start in range(len(padded) - size + 1):
            yield padded[start : start + size]


@dataclass(frozen=True)
class RomanisedHindi:
    """Word-level naive Bayes over character n-grams, in which listed words of both sides have fixed scores.

    `score(text)` is in [0, 1]: the share of evidence for Romanised Hindi; .5 and above reads as `hi-Latn`.
    """

    hindi: Mapping[str, int]
    other: Mapping[str, int]

    @cached_property
    def _log_odds(self) -> tuple[dict[str, float], float]:
        sides: list[Counter[str]] = []
        for words in (self.hindi, self.other):
            counts: Counter[str] = Counter()
            for word, count in words.items():
                weight = 1 + int(math.log2(count))
                for gram in _ngrams(word):
                    counts[gram] += weight
            sides.append(counts)
        vocabulary = sorted(set(sides[0]) | set(sides[1]))
        totals = [sum(side.values()) + _SMOOTHING * len(vocabulary) for side in sides]
        table = {
            gram: math.log((sides[0][gram] + _SMOOTHING) / totals[0])
            - math.log((sides[1][gram] + _SMOOTHING) / totals[1])
            for gram in vocabulary
        }
        return table, math.log(totals[1] / totals[0])

    @cached_property
    def _certain(self) -> frozenset[str]:
        """Function words that no other language of the training side uses."""
        return frozenset(w for w in _FUNCTION_WORDS if w not in _AMBIGUOUS and self.other.get(w, 0) < 3)

    @cached_property
    def _likely(self) -> frozenset[str]:
        """Longer generated and corpus forms that the other side never uses."""
        return frozenset(w for w in self.hindi if len(w) >= 4 and w not in self.other and w not in _AMBIGUOUS)

    @cached_property
    def forms(self) -> frozenset[str]:
        """Every word that `score` counts as Hindi."""
        return self.sure_forms | _SHARED_FUNCTION_WORDS

    @cached_property
    def sure_forms(self) -> frozenset[str]:
        """Those of them that are in no other language."""
        return self._certain | self._likely

    @cached_property
    def _cache(self) -> dict[str, _Evidence]:
        return {}

    def _evidence(self, word: str) -> _Evidence:
        evidence = self._cache.get(word)
        if evidence is None:
            if len(self._cache) > _CACHED_WORDS:
                self._cache.clear()
            certain = word in self._certain
            likely = not certain and word in self._likely
            shared = not (certain or likely) and word in _SHARED_FUNCTION_WORDS
            evidence = (certain, likely, shared, self._word_score(word))
            if len(word) <= _LONGEST_CACHED:
                self._cache[word] = evidence
        return evidence

    def _word_score(self, word: str) -> float:
        """Log-odds that one lower-cased word is Romanised Hindi, clipped to ±4."""
        if word in self._certain:
            return _CLIP
        if word in _AMBIGUOUS:
            return -0.5 if word in _ENGLISH_LOOKING else 0.5
        if word in self._likely:
            return _CLIP / 2
        if len(word) < 3 or not word.isascii():
            return 0.0 if word.isascii() else -_CLIP / 2
        if self.other.get(word, 0) >= 2:
            return -_CLIP / 2
        table, unseen = self._log_odds
        total = sum(table.get(gram, unseen) for gram in _ngrams(word))
        return max(-_CLIP, min(_CLIP / 2, total / 2))

    def signs(
        self, words: Sequence[str], known_shares: Mapping[str, float], guess: float
    ) -> tuple[float, ...]:
        """Features of a text for Romanised Hindi, in the order of WEIGHTS; arguments as in `score`."""
        certain, likely, shared, scores = zip(*(self._evidence(word) for word in words), strict=True)
        counts = (sum(certain), sum(likely), sum(shared))
        return (
            *(count / len(words) for count in counts),
            *(math.log1p(count) for count in counts),
            sum(scores) / len(words),
            max(scores),
            float(words[-1] in _CLOSING),
            max(known_shares.values()),
            max(share for tag, share in known_shares.items() if tag != "en"),
            guess,
        )

    def score(self, words: Sequence[str], known_shares: Mapping[str, float], guess: float) -> float:
        """Evidence in [0, 1] that a text is Romanised Hindi, code-mixed with English included.

        Args:
            words: of the text, as `words_of` gives them; at least one.
            known_shares: share of the words that are in the vocabulary of each other chat language.
            guess: log-probability that fastText gives the likeliest of those languages.
        """
        if self.forms.isdisjoint(words):
            return 0.0
        signs = self.signs(words, known_shares, guess)
        hindi, foreign = sum(signs[:3]), signs[10]
        if not hindi or (foreign > _MOSTLY_FOREIGN and foreign > 2 * hindi):
            return 0.0
        logit = INTERCEPT + sum(weight * sign for weight, sign in zip(WEIGHTS, signs, strict=True))
        return 1.0 / (1.0 + math.exp(-logit))


@lru_cache(maxsize=1)
def romanised_hindi() -> RomanisedHindi:
    """The model of this process, built from packaged text at first use (under two seconds)."""
    return RomanisedHindi(hindi=_hindi_words(), other=_other_words())
