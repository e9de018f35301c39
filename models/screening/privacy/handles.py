"""Find accounts on social networks, games and mail providers: names told beside the network's name, tags and links."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re

from models.screening.privacy.rule import Judge, Rule, after, always, before
from models.screening.privacy.span import Span

NETWORK = (
    r"(?:insta(?:gram)?|snap(?:chat)?|tik ?tok|twitter|telegram|discord|facebook|messenger|threads|reddit|whats ?app|signal|viber|"
    r"kik|we ?chat|weixin|skype|steam|psn|play ?station|xbox|roblox|epic games|fortnite|minecraft|twitch|you ?tube|git ?hub|git ?lab|"
    r"linked ?in|pinterest|tumblr|mastodon|blue ?sky|bumble|tinder|hinge|only ?fans|cash ?app|venmo|paypal|spotify|soundcloud|"
    r"ig|fb|tg|bsky|vk|qq|line id|gamer ?tag|battle ?tag|socials|social media|(?:every|all|any) (?:app|platform|site|network)s?|"
    r"redes(?: sociales)?|इंस्टा(?:ग्राम)?|टेलीग्राम|स्नैप(?:चैट)?|ट्विटर|फेसबुक|डिस्कॉर्ड|टिकटॉक|व्हाट्सएप)"
)
PROVIDER = (
    r"(?:g ?mail|google mail|hotmail|outlook|yahoo|proton(?: ?mail)?|gmx|i ?cloud|aol|yandex|web\.de|t-online|libero|laposte|orange|"
    r"wanadoo|rediff(?:mail)?|tutanota|posteo|fastmail|zoho|जीमेल)"
)
# What may stand between the name of a network and that of the account.
_FILLER = (
    r"(?:my|the|a|id|ids|handle|user|username|user ?id|name|nick|nickname|account|acc|tag|login|is|are|it|it's|its|it’s|i|am|im|i'm|i’m|as|at|"
    r"called|me|mine|on|there|under|by|too|add|search|find|look|for|up|follow|msg|message|dm|text|pe|par|kar|karo|karna|kardo|mera|"
    r"meri|ka|ki|hai|naam|es|soy|como|mi|usuario|cuenta|estoy|me|llamo|ist|heiße|heisse|ich|bin|heißt|lautet|mein|als|unter|c'est|c’est|"
    r"est|je|suis|mon|pseudo|compte|è|sono|il|mio|nome|di|utente|with|and|just|use|works|best|address|usual|same|"
    r"आईडी|है|को|पर|फॉलो|करो|मेरी|मेरा|नाम|सर्च)"
)
_GAP = r"[^\w\n@]{0,4}"
_NAME = rf"(?!{NETWORK}(?![\w.]))@?(?:live:)?[A-Za-z0-9_](?:[\w.\-]{{0,28}}\w)?(?:#\d{{3,6}})?"
_BETWEEN = rf"(?:{_GAP}\b{_FILLER}(?![\w@.]))"
_TOLD = re.compile(
    rf"(?<![\w@./]){NETWORK}(?![A-Za-z0-9.]){_BETWEEN}{{0,6}}{_GAP}(?<![\w.])(?P<name>{_NAME})(?P<sign>_?)",
    re.IGNORECASE,
)
_MAILBOX_TOLD = re.compile(
    rf"(?<![\w@./]){PROVIDER}(?![A-Za-z0-9.]){_BETWEEN}{{0,6}}{_GAP}(?<![\w.])(?P<name>{_NAME})(?P<sign>_?)",
    re.IGNORECASE,
)
_PREPOSITION = r"(?:on|at|in|for|from|is|and|add|plus|bei|auf|en|de|del|sur|chez|su|pe|par|ka|wala|पर|with|@|my|the|meinem|hai|mail|i'm|both|all)"
_NAME_BEFORE = rf"(?<![\w@./])(?P<name>{_NAME})(?P<sign>_?)(?:[,;:)]?[ ]{_PREPOSITION}){{1,3}}[ ]"
_BEFORE = re.compile(rf"{_NAME_BEFORE}{NETWORK}(?![A-Za-z0-9.])", re.IGNORECASE)
_MAILBOX_BEFORE = re.compile(rf"{_NAME_BEFORE}{PROVIDER}(?![A-Za-z0-9]|\.\w)", re.IGNORECASE)
# "My handle is …", whatever the network.
_NAMED_SO = re.compile(
    rf"(?<![^\W_])(?:my|mera|meri|mi|mein|mon|il mio) (?:@|handle|user ?name|user|nick|screen ?name|ign|in-game name|gamer ?tag|usuario|nutzername|pseudo|nome utente)"
    rf"(?: everywhere| online| there| on everything| on all of them)?{_GAP}(?:is|es|ist|est|è|hai|:|=){_GAP}(?<![\w.])(?P<name>{_NAME})(?P<sign>_?)",
    re.IGNORECASE,
)
_MENTION = re.compile(r"(?<![\w@./])@[A-Za-z0-9_](?:[\w.]{0,28}\w)?(?![\w@])")
_MENTION_CUE = re.compile(
    rf"\b(?:{NETWORK}|dm|follow|hmu|add me|find me|reach me|s[ií]gueme|folgt? mir|suis-moi|mon compte|on x)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_TAG = re.compile(r"(?<![\w@#/.])[A-Za-z][\w.]{1,31}#\d{4,5}(?![\w#])")
_NO_TAG = re.compile(
    r"(?:issues?|pr|pull|ticket|order|case|bug|no|nr|room|apt|suite|unit|build|track|item|part|model|page|line|color|colour|ref|id|c|f|j)#",
    re.IGNORECASE,
)
_SHORT_LINK = re.compile(
    r"(?<![\w@.\-])(?:(?:t|wa|m|fb|telegram|paypal|kik|line|signal)\.me|fb\.com|discord(?:app)?\.(?:gg|com/invite)|instagr\.am|instagram\.com|"
    r"snapchat\.com|tiktok\.com|twitch\.tv|linktr\.ee|cash\.app|bsky\.app|threads\.net|youtu\.be|goo\.gl|maps\.app\.goo\.gl|bit\.ly|"
    r"chat\.whatsapp\.com|vk\.com|steamcommunity\.com|onlyfans\.com|ko-fi\.com)/[^\s<>\"')\]]+",
    re.IGNORECASE,
)
_OWN_DOMAIN = re.compile(
    r"(?<![\w@.\-])(?:[A-Za-z0-9][\w\-]{1,30}\.bsky\.social|[a-z2-7]{16}(?:[a-z2-7]{40})?\.onion(?:/[^\s<>\"')\]]*)?)(?![\w@])",
    re.IGNORECASE,
)
_REDDIT = re.compile(r"(?<![\w/.])/?u/[A-Za-z0-9][\w\-]{3,19}(?![\w/])")
_CHINESE = re.compile(
    r"(?:微信|微博|抖音|小红书|快手|扣扣|(?<![A-Za-z0-9])(?:QQ|weixin|wechat))\s?(?:号码|号|ID|id|名|昵称)?\s?[是叫为：:]{0,2}\s?(?P<name>[A-Za-z0-9_][A-Za-z0-9_\-]{4,29})"
)
_SITE = re.compile(
    r"\b(?:(?:web ?)?site|website|webpage|page|blog|visit|url|link|web|p[aá]gina|seite|sito|portfolio|shop|store)\b[^.!?\n]{0,20}?"
    r"(?P<name>(?<!\w)[A-Za-z0-9][\w\-]{2,40}(?: (?:dot|punto|punkt|point) [\w\-]{2,20}){1,3}(?: (?:slash|barra|schrägstrich) [\w\-]{1,30}){0,3})",
    re.IGNORECASE,
)
_SITE_END = re.compile(
    r" (?:dot|punto|punkt|point) (?:com|net|org|info|io|dev|app|me|de|es|fr|it|in|uk|co)(?! (?:dot|punto|punkt|point) )",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\b(?:id|handle|user|username|name|nick|nickname|tag|login|pseudo|usuario|naam|आईडी|utente|gamer ?tag|called|as|kik)\b|[:=]|(?:आईडी)",
    re.IGNORECASE,
)
_OWNED = re.compile(
    r"\b(?:my|mi|mein|mon|meri|mera|il mio|add me|find me|follow me|add my|sígueme|agrégame)\b[^.!?\n]{0,14}$",
    re.IGNORECASE,
)
_EQUALS = re.compile(r"(?:\b(?:is|es|ist|est|è)|c'est|c’est|:|=)\W{0,3}$", re.IGNORECASE)
# Plain words after "my insta is": what is said of a network, no name in it.
_STATES = frozenset(
    "down up dead gone back private public open full banned blocked hacked broken new old empty boring fun cool fire lit trash better best "
    "weird mine ok okay fine good bad great here there crazy wild active inactive deleted disabled suspended slow laggy buggy working "
    "glitching not so very really just only still always never being acting the this that what where how why who and but for from with "
    "about all more less like love hate free safe cute nice pretty ugly awesome amazing terrible awful useless everything nothing "
    "something anything someone anyone everyone people life photos pictures videos stories posts reels memes followers friends hai nahi "
    "band bandh muy privada privado cerrada nueva llena privat weg voll leer neu nicht tot kaputt privé fermé vide nouveau cool plein "
    "pieno chiuso privato nuovo account app too also please pls lol btw haha today now then again later soon because since when while "
    "you your they them her his him she he we us our it its if or as in on at to of an a no yes yeah".split()
)
_CHAT_WORD = re.compile(
    r"(?:gr8|l8r?|b4|m8|2nite|2night|2day|2mor\w*|str8|4ever|4eva|covid-?19|mp[34]|\d+(?:st|nd|rd|th|s|k|m|x|am|pm|gb|mb|tb|hz|bn|%)|\w{1,4}\d|[\d.\-]+|v\d[\w.]*)",
    re.IGNORECASE,
)


# E-mail addresses in words that the rules of written ones do not have, in several languages.
_AT = (
    r"(?:arobase|arrobase|klammeraffe|affenschwanz|ät|at the rate(?: of)?|at da rate(?: of)?|apenstaartje|chiocciola|arroba|snabel-?a|małpa|kukac|"
    r"एट|ऐट|ऍट|एट द रेट)"
)
_DOT = r"(?:dot|punto|punkt|point|ponto|kropka|punt|nokta|डॉट|डाट|पॉइंट|underscore|under ?score|gui[óo]n bajo|unterstrich|tiret(?: du)? bas|trattino basso|अंडरस्कोर|dash|tiret|bindestrich|guion)"
_LABEL = r"[\w\u0900-\u0963\-]{1,40}+"
_EMAIL_IN_WORDS = re.compile(
    rf"(?<![\w.]){_LABEL}(?:(?:\.| {_DOT} ){_LABEL}){{0,4}} {_AT} {_LABEL}(?:(?:\.| {_DOT} ){_LABEL}){{1,3}}",
    re.IGNORECASE,
)
_EMAIL_ZH = re.compile(
    r"(?<![A-Za-z0-9_.])[A-Za-z0-9_.\-]{2,40} ?(?:艾特|爱特|圈[aA]|小老鼠) ?[A-Za-z0-9\-]{1,20} ?(?:点|\.) ?(?:com|cn|net|org)(?![A-Za-z0-9])"
)
# Before a known provider any sign or word may stand for "@", and any for the dot.
_EMAIL_PROVIDER = re.compile(
    rf"(?P<at>(?:@{{1,3}}|[+#*&=~^%]|{_AT}|at(?: sign)?|bei)[^\w\n]{{0,4}})?{PROVIDER}[^\w\n]{{0,4}}(?P<dot>(?:[.,;:·•]{{1,3}}|dot|period|punto|punkt|point|ponto)[^\w\n]{{0,4}})?"
    rf"(?P<end>com|net|org|de|es|fr|it|in|co|me|us|uk|at|ch|mx)(?![\w@])",
    re.IGNORECASE,
)
# The name of the mailbox, read backwards from what stands for "@": words that dots part belong to it.
_LOCAL = re.compile(
    r"(?:(?<!\w)[A-Za-z0-9_]{1,20}(?:[ (\[]{1,3}(?:dot|punto|punkt|point|ponto|under ?score)[ )\]]{1,3}| ?[.\-_] )){0,3}(?<![\w.\-])[A-Za-z0-9][\w.\-]{0,40}(?P<gap>[^\w\n]{0,4})$",
    re.IGNORECASE,
)
_MAIL = re.compile(r"mail|correo|adress|address|मेल|contact|write|posta", re.IGNORECASE)
_EMAIL_QUOTED = re.compile(r"\"[^\"\n@]{1,64}\"@(?:[\w\-]{1,63}\.){1,5}[A-Za-z]{2,24}")
_ENDS = frozenset(
    "com org net edu gov info io co in uk us es mx de at ch fr it pt br be nl pl ro tr cn eu me dev app com.br कॉम इन नेट ऑर्ग".split()
)


def _in_words(match: re.Match[str]) -> Span | None:
    last = re.split(r"[ .]", match.group())[-1].lower()
    return Span(*match.span(), "EMAIL_ADDRESS", 0.85) if last in _ENDS else None


def _at_provider(match: re.Match[str]) -> Span | None:
    """An address at a known provider; without any sign for "@", only where it is called one."""
    earlier = before(match, 90)
    local = _LOCAL.search(earlier)
    is_told = match.group("at") or _MAIL.search(before(match, 60))
    # "I use gmail in class" has no address.
    is_word = not match.group("dot") and match.group("end").lower() not in ("com", "net", "org")
    if local is None or not is_told or is_word or (not match.group("at") and not local.group("gap")):
        return None
    return Span(match.start() - len(earlier) + local.start(), match.end(), "EMAIL_ADDRESS", 0.8)


def is_coded(name: str) -> bool:
    """Whether a name has what a word has not: a digit, an underscore, an inner dot, or a leading @."""
    return not _CHAT_WORD.fullmatch(name.lstrip("@")) and (
        name[0] in "@_" or any(char.isdigit() or char in "_.#" for char in name)
    )


def _account(kind: str) -> Judge:
    """A judge of a name beside that of a network or provider."""

    def judge(match: re.Match[str]) -> Span | None:
        start, end = match.start("name"), match.end("sign")
        name, spoken = (
            match.group("name"),
            match.string[match.start() : start] + match.string[match.end("sign") : match.end()],
        )
        if is_coded(name):
            return Span(start, end, kind, 0.8)
        is_named = _NAMED.search(spoken) is not None
        if name.isdigit():
            return Span(start, end, kind, 0.7) if is_named and len(name) >= 6 else None
        if name.lower() in _STATES or len(name) < 4 or not name.isascii():
            return None
        told = match.string[match.start() : start]
        is_told = _EQUALS.search(told) is not None and _ends(match.string, end)
        is_own = _OWNED.search(before(match, 30) + told[: len(told) - len(told.lstrip())]) is not None
        return Span(start, end, kind, 0.6) if is_told and (is_own or is_named) else None

    return judge


def _ends(text: str, end: int) -> bool:
    """Whether a sentence or clause ends here."""
    return (
        not text[end : end + 2].strip()
        or text[end : end + 1] in ",.;!?)\n"
        or text[end : end + 4] in (" lol", " btw", " hai")
    )


def _mention(match: re.Match[str]) -> Span | None:
    if _MENTION_CUE.search(before(match, 50)) or _MENTION_CUE.search(after(match, 30)):
        return Span(*match.span(), "USERNAME", 0.8)
    return None


def _tag(match: re.Match[str]) -> Span | None:
    return None if _NO_TAG.match(match.group()) else Span(*match.span(), "USERNAME", 0.7)


def _site(match: re.Match[str]) -> Span | None:
    ended = _SITE_END.search(match.group("name"))
    return Span(*match.span("name"), "URL", 0.7) if ended else None


RULES = (
    Rule("account_told", _TOLD, _account("USERNAME")),
    Rule("account_before", _BEFORE, _account("USERNAME")),
    Rule("account_named", _NAMED_SO, _account("USERNAME")),
    Rule("mailbox_told", _MAILBOX_TOLD, _account("EMAIL_ADDRESS")),
    Rule("mailbox_before", _MAILBOX_BEFORE, _account("EMAIL_ADDRESS")),
    Rule("email_in_words", _EMAIL_IN_WORDS, _in_words),
    Rule("email_provider", _EMAIL_PROVIDER, _at_provider),
    Rule("email_zh", _EMAIL_ZH, always("EMAIL_ADDRESS", 0.85)),
    Rule("email_quoted", _EMAIL_QUOTED, always("EMAIL_ADDRESS", 0.9)),
    Rule("account_zh", _CHINESE, always("USERNAME", 0.8, "name")),
    Rule("mention", _MENTION, _mention),
    Rule("discord_tag", _TAG, _tag),
    Rule("short_link", _SHORT_LINK, always("URL", 0.9)),
    Rule("own_domain", _OWN_DOMAIN, always("URL", 0.9)),
    Rule("reddit_user", _REDDIT, always("USERNAME", 0.8)),
    Rule("site_spelled", _SITE, _site),
)
