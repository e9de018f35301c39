"""How the time of a function grows with a text that is made to keep it busy.

A text is a unit many times over, from a list of units that regular expressions find hard, and from the expressions
themselves: strings that an expression nearly matches are its own hardest text.
"""

# ruff: noqa: E501 — units read better side by side.
from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

_parser: Any = re._parser  # type: ignore[attr-defined]

SMALL = 1_000
"""Characters of the smaller of two texts whose times are compared; the larger has four times as many."""
MOST_GROWTH = 8.0
"""A linear function takes 4 times as long for the large text, a quadratic one 16 times."""
NEGLIGIBLE_SECONDS = 0.008
"""What takes less for the large text is fast enough, and too short to measure."""
MOST_SECONDS_A_CHARACTER = 2e-4
"""A hundred times what a detector takes: an expression with many bounded repeats is linear and useless all the same."""
_TRIES = 4
_CERTAIN_SECONDS = 1.0

UNITS = (
    "x", "A", "é", "İ", "ß", "ﷺ", "م", "я", "ठ", "न्", "中", "あ", "한", "😀", "👩\u200d👩\u200d👧", "\u200b", "\u0301", "x\u0301", "\u0301\u0316", "\u0f73", "\u202e",
    "0", "1", "1 ", "1-", "1.", "12345678 ", "०", "+1 ", "(1", "1) ", ":", "::", "a:", "0x", "aA1", "a1-", "deadbeef-",
    " ", "\t", "\n", "\r\n", " \n", "\u3000", "\0", ". ", "! ", "?!", "...", ",", "a, ", "- ", "--", "-----BEGIN ", "'", "a'", "’", '"', '\\"', "\\",
    "@", "a@", "a@b.", "@a", "a.", ".a", "www.", "http://", "://", "user:pass@", "a@b.c ", "at dot ", "a at b dot c ", "name@", "_", "a-", "a_", "/", "a/", "?a=", "%40", "#", "#a", "$", "=",
    "(", "[", "{", ")", "<", "<A", "<A_", "<a>", "<PERSON> ", "{\"a\":", "[[", "](", "*", "*a", "**", "```", "`", "|", ";", "a;",
    "one ", "one two three ", "double ", "एक ", "j o h n ", "a b c d ", "a-b-", "a.b.", "how to ", "give me ", "i am ", "you ", "my name is ", "John ", "John Smith ", "J. ", "de la ", "Mr. ", "12 Main ", "calle ", "card ", "key ", "sk-", "born ", "may ", "very ", "the ", "all ", "fucking ", "kill ", "child ", "我叫", "मेरा नाम ", "号路", "word\n",
)  # fmt: skip


def texts(unit: str, size: int) -> Iterator[str]:
    """The unit repeated: alone, between a beginning and an end that fail, and once more in front of its last half."""
    body = (unit * (size // len(unit) + 1))[:size]
    yield body
    yield f"a1 {body[: size - 4]}\x01"
    yield f"a {unit}{'z' * (size // 2)}{body[: size // 2]}"


def growth(ask: Callable[[str], object], make: Callable[[int], str], small: int = SMALL) -> float:
    """How many times longer a text of four times `small` takes than one of `small`; 1 where it takes no time at all.

    CPU time of this thread, so that neither a busy machine nor a waiting pool counts; the smallest of a few tries.
    """
    if (late := _seconds(ask, make(4 * small))) < NEGLIGIBLE_SECONDS:
        return 1.0
    ratio = float("inf")
    early = float("inf")
    for _ in range(_TRIES):
        early = min(early, _seconds(ask, make(small)))
        ratio = late / max(early, 1e-9)
        if ratio <= MOST_GROWTH:
            return ratio
        if late > 5.0:
            return ratio
        late = min(late, _seconds(ask, make(4 * small)))
    return ratio


def _seconds(ask: Callable[[str], object], text: str) -> float:
    began = time.thread_time()
    ask(text)
    return time.thread_time() - began


def slow(
    ask: Callable[[str], object], units: Sequence[str], small: int = SMALL
) -> list[tuple[str, int, float]]:
    """(unit, form of the text, growth) wherever the time grows faster than MOST_GROWTH allows.

    A step that only larger texts need, such as a full cache, is no growth: the next two sizes must grow as fast.
    """
    found = []
    for unit in units:
        for form in range(3):

            def make(size: int, unit: str = unit, form: int = form) -> str:
                return list(texts(unit, size))[form]

            ratio = growth(ask, make, small)
            if ratio > MOST_GROWTH and _seconds(ask, make(4 * small)) < _CERTAIN_SECONDS:
                ratio = growth(ask, make, 4 * small)
            if ratio > MOST_GROWTH or _is_costly(ask, make(4 * small)):
                found.append((unit, form, round(ratio, 1)))
    return found


def _is_costly(ask: Callable[[str], object], text: str) -> bool:
    return all(_seconds(ask, text) > MOST_SECONDS_A_CHARACTER * len(text) for _ in range(2))


def modules(*packages: str) -> Iterator[ModuleType]:
    """Every module of the packages, imported."""
    for package in packages:
        root = importlib.import_module(package)
        yield root
        for entry in pkgutil.walk_packages(getattr(root, "__path__", []), f"{package}."):
            if not entry.name.endswith("__main__"):
                yield importlib.import_module(entry.name)


def patterns(module: ModuleType) -> dict[str, re.Pattern[str]]:
    """Every regular expression of a module, by name: its constants (also inside others), and those written in calls.

    What it imports is tested where it is defined.
    """
    constants = vars(module)
    elsewhere = {
        id(pattern)
        for part in constants.values()
        if isinstance(part, ModuleType) and part.__name__.startswith(("models.", "jobs.", "infra.", "cli."))
        for name, value in vars(part).items()
        for _, pattern in _inside(name, value)
    }
    found: dict[str, re.Pattern[str]] = {}
    for name in _assigned(module):
        for place, pattern in _inside(name, constants.get(name)):
            if id(pattern) not in elsewhere:
                found.setdefault(place, pattern)
    for number, (written, flags) in enumerate(_written(module)):
        found[f"call{number}"] = re.compile(written, flags)
    return {name: pattern for name, pattern in found.items() if isinstance(pattern.pattern, str)}


def _assigned(module: ModuleType) -> list[str]:
    """Names that the module itself gives a value."""
    tree = _tree(module)
    assert isinstance(tree, ast.Module)
    targets = [
        target
        for node in tree.body
        for target in (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
    ]
    return [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]


def _inside(name: str, value: object, depth: int = 0) -> Iterator[tuple[str, re.Pattern[str]]]:
    if isinstance(value, re.Pattern):
        yield name, value
    elif depth > 4 or isinstance(value, str | bytes | ModuleType | type):
        return
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _inside(f"{name}[{key}]", item, depth + 1)
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _inside(f"{name}[{getattr(item, 'name', index)}]", item, depth + 1)
    elif is_dataclass(value):
        for item in fields(value):
            yield from _inside(f"{name}.{item.name}", getattr(value, item.name, None), depth + 1)


def _written(module: ModuleType) -> Iterator[tuple[str, int]]:
    """Pattern and flags of every call of `re` in the module's source with a pattern that is written there."""
    for node in ast.walk(_tree(module)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in ("search", "match", "fullmatch", "findall", "finditer", "sub", "split")
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            flags = 0
            for given in [*node.args[1:], *(keyword.value for keyword in node.keywords)]:
                for part in ast.walk(given):
                    if (
                        isinstance(part, ast.Attribute)
                        and isinstance(part.value, ast.Name)
                        and part.value.id == "re"
                    ):
                        flags |= int(getattr(re, part.attr))
            yield node.args[0].value, flags


def searched(module: ModuleType, name: str, pattern: re.Pattern[str]) -> Callable[[str], object]:
    """How the module reads a text with this expression: from the beginning only, or from every place."""
    how = {
        node.attr
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }
    if how and how <= {"match", "fullmatch"}:
        return pattern.match if "match" in how else pattern.fullmatch
    return lambda text: sum(1 for _ in pattern.finditer(text))


@cache
def _tree(module: ModuleType) -> ast.AST:
    return ast.parse(inspect.getsource(module))


def readers(module: ModuleType) -> dict[str, Callable[..., object]]:
    """Functions of a module that need one argument only, and that one is a text by its name and its type."""
    found = {}
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ != module.__name__:
            continue
        needed = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is inspect.Parameter.empty
        ]
        if len(needed) == 1 and needed[0].name in _TEXT_NAMES and str(needed[0].annotation) in _TEXT_TYPES:
            several = "Sequence" in str(needed[0].annotation)
            found[name] = partial(_asked, function, several)
    return found


def _asked(function: Callable[..., object], several: bool, text: str) -> None:
    function([text] if several else text)


def without_errors(function: Callable[..., object]) -> Callable[[str], None]:
    """The function, for texts that it may refuse: some are parts of another function, which gives them no such text."""

    def call(text: str) -> None:
        with suppress(Exception):
            function(text)

    return call


_TEXT_NAMES = frozenset(
    "text texts message user_message prompt_text written reading cleaned content word answer".split()
)
_TEXT_TYPES = frozenset(("str", "str | None", "object", "Sequence[str]", "Sequence[str | None]"))


def own_units(pattern: re.Pattern[str], seed: int = 7, most: int = 14) -> list[str]:
    """Beginnings of strings that the pattern matches or nearly matches."""
    draw = random.Random(seed)
    tree = _parser.parse(pattern.pattern, pattern.flags)
    units: dict[str, None] = {}
    for _ in range(most):
        example = _example(tree, draw)
        for share in (1.0, draw.random()):
            part = example[: max(1, round(len(example) * share))]
            if part and len(part) <= 200:
                units[part] = None
    return list(units)[:most]


def _example(tree: Any, draw: random.Random) -> str:
    written = []
    for operator, argument in tree:
        name = str(operator)
        if name == "LITERAL":
            written.append(chr(argument))
        elif name == "NOT_LITERAL":
            written.append("b" if argument == ord("a") else "a")
        elif name == "ANY":
            written.append(draw.choice("a 1"))
        elif name == "IN":
            written.append(_member(argument, draw))
        elif name == "BRANCH":
            written.append(_example(draw.choice(argument[1]), draw))
        elif name == "SUBPATTERN":
            written.append(_example(argument[3], draw))
        elif name == "ATOMIC_GROUP":
            written.append(_example(argument, draw))
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, inner = argument
            count = draw.randint(int(least), max(int(least), min(int(most), int(least) + 2)))
            written.append("".join(_example(inner, draw) for _ in range(count)))
    return "".join(written)


_SAMPLES = {
    "CATEGORY_DIGIT": "1", "CATEGORY_WORD": "aZ1_", "CATEGORY_SPACE": " \n", "CATEGORY_NOT_DIGIT": "a ", "CATEGORY_NOT_SPACE": "a1.",
    "CATEGORY_NOT_WORD": " .",
}  # fmt: skip


def _member(items: Any, draw: random.Random) -> str:
    if str(items[0][0]) == "NEGATE":
        refused = re.compile("[" + "".join(_spelled(item) for item in items[1:]) + "]")
        return draw.choice([sign for sign in "a1 .,-\n\x01" if not refused.match(sign)] or ["~"])
    operator, argument = draw.choice(items)
    name = str(operator)
    if name == "LITERAL":
        return chr(argument)
    if name == "RANGE":
        return chr(draw.choice([argument[0], argument[1]]))
    return draw.choice(_SAMPLES.get(str(argument), "a"))


def _spelled(item: tuple[Any, Any]) -> str:
    name = str(item[0])
    if name == "LITERAL":
        return re.escape(chr(item[1]))
    if name == "RANGE":
        return f"{re.escape(chr(item[1][0]))}-{re.escape(chr(item[1][1]))}"
    return {
        "CATEGORY_DIGIT": r"\d",
        "CATEGORY_WORD": r"\w",
        "CATEGORY_SPACE": r"\s",
        "CATEGORY_NOT_DIGIT": r"\D",
        "CATEGORY_NOT_SPACE": r"\S",
        "CATEGORY_NOT_WORD": r"\W",
    }.get(str(item[1]), "")
