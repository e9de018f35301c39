"""Phase I fails closed: more than 10,000 injected faults, and no text passes whose detector failed."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.errors import DetectorUnavailable
from infra.settings import ScreeningSettings, Settings
from models.screening import verdict as screening
from models.screening.deadline import Overrun, within
from models.screening.detection import Question, examine
from models.screening.verdict import ScreeningPolicy, Turn, Verdict, ruled, screen_conversations, screen_file
from tests.models.screening.faults import ANSWERS, CANARY, DETECTORS, HANGS, Strikes, is_struck, kinds, mark

SETTINGS = ScreeningSettings(max_text_chars=1_000)
FAULTY = Strikes()()
POLICY = ScreeningPolicy.of(SETTINGS, FAULTY)
WORDS = "the sea is calm and we talk about boats all day".split()


def sentence(draw: random.Random, struck: str = "") -> str:
    """Some words; a struck one holds its mark and the canary."""
    words = draw.choices(WORDS, k=draw.randint(6, 12))
    return " ".join([*words, struck, CANARY if struck else f"n{draw.random()}"])


def judged(texts: list[str], settings: ScreeningSettings = SETTINGS) -> list[Verdict]:
    findings = examine([Question(text) for text in texts], settings, FAULTY)
    return [ruled(text, found, settings) for text, found in zip(texts, findings, strict=True)]


def test_single_texts(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Every fault of every detector many times over, in batches with texts that nothing is wrong with."""
    draw = random.Random(7)
    every = [mark(detector, kind) for detector in DETECTORS for kind in kinds(detector)]
    texts = [sentence(draw, each) + f" {n}" for n in range(120) for each in every]
    texts += [sentence(draw) for _ in range(len(texts))]
    draw.shuffle(texts)
    verdicts = judged(texts)
    struck = [verdict for text, verdict in zip(texts, verdicts, strict=True) if is_struck(text)]
    clean = [verdict for text, verdict in zip(texts, verdicts, strict=True) if not is_struck(text)]
    assert len(struck) == 120 * len(every) >= 7_500
    assert {verdict.verdict for verdict in struck} == {"reject"}
    assert all(r.startswith("detector_error:") for verdict in struck for r in verdict.reasons)
    assert all(verdict.redacted is None for verdict in struck)
    assert {verdict.verdict for verdict in clean} == {"pass"}  # a fault takes nobody else's text with it
    assert CANARY not in f"{struck} {capfd.readouterr()} {caplog.text}"


def test_conversations() -> None:
    """Any part of a turn: its verdict is never pass, its neighbours stand, every turn has one verdict."""
    draw = random.Random(11)
    conversations = []
    for number in range(900):
        turns = []
        for place in range(4):
            strikes = [
                mark(detector, draw.choice(kinds(detector))) if draw.random() < 0.5 else ""
                for detector in (draw.choice(DETECTORS), draw.choice(DETECTORS))
            ]
            message, response = (sentence(draw, strike) for strike in strikes)
            turns.append(Turn(f"{number}-{place}", message, response))
        conversations.append(turns)
    verdicts = screen_conversations(conversations, POLICY, detectors=FAULTY)
    faults, clean = 0, Counter[str]()
    for turns, these in zip(conversations, verdicts, strict=True):
        assert [verdict.turn_id for verdict in these] == [turn.turn_id for turn in turns]
        for place, (turn, verdict) in enumerate(zip(turns, these, strict=True)):
            faults += is_struck(turn.user_message) + is_struck(turn.response)
            if is_struck(turn.user_message) or is_struck(turn.response):
                assert verdict.verdict == "reject"
                assert CANARY not in str(verdict)
            elif not any(is_struck(one.user_message) for one in turns[max(0, place - 2) : place]):
                clean[verdict.verdict] += 1
    assert faults >= 3_000
    assert set(clean) == {"pass"}


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_detector_that_never_comes_back(detector: str) -> None:
    """Sleeping, computing, matching, waiting, swallowing exceptions: interrupted, rejected, the others judged."""
    settings = SETTINGS.model_copy(update={"deadline_seconds": 0.2})
    texts = [f"{' '.join(WORDS)} {mark(detector, kind)} {CANARY}" for kind in HANGS] + [" ".join(WORDS)]
    assert [verdict.verdict for verdict in judged(texts, settings)] == ["reject"] * len(HANGS) + ["pass"]


def test_patience_is_bounded_when_everything_hangs() -> None:
    """Each text that runs out of time halves the patience with the rest of its batch."""
    settings = SETTINGS.model_copy(update={"deadline_seconds": 0.2})
    texts = [f"{n} {' '.join(WORDS)} {mark('safety', 'sleep')}" for n in range(100)]
    began = time.monotonic()
    assert {verdict.verdict for verdict in judged(texts, settings)} == {"reject"}
    assert time.monotonic() - began < 0.2 * len(texts) / 2


def test_the_search_for_split_identifiers_fails_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(screening, "conversation_spans", broken)
    (verdicts,) = screen_conversations([[Turn("a", "hello there", "hi")]], POLICY, detectors=FAULTY)
    assert [(v.verdict, v.reasons) for v in verdicts] == [("reject", ("detector_error:split",))]


def test_oversize_texts_are_rejected_unread() -> None:
    (one, two) = judged(["a" * 1_001, f"{'a ' * 600}{mark('privacy', 'exception')}"])
    assert one.reasons == two.reasons == ("oversize",)


def test_a_model_that_is_missing_stops_before_anything_is_judged(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise DetectorUnavailable("the name model is missing", setting="screening.use_names")

    monkeypatch.setattr("models.screening.privacy.names.load", missing)
    screening.packaged_detectors.cache_clear()  # another test of this process may have loaded them
    lines = tmp_path / "in.jsonl"
    lines.write_text(json.dumps({"id": 1, "text": CANARY}))
    with pytest.raises(DetectorUnavailable) as raised:
        screen_file(lines, tmp_path / "out.jsonl", settings)
    assert CANARY not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["in.jsonl"]


@pytest.fixture
def raised_recursion_limit() -> Iterator[None]:
    """As other libraries leave it: then Python's JSON parser overflows the stack on nesting without end."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize("opened", [open, gzip.open])
def test_files_in_wrong_encodings_give_a_line_each(
    tmp_path: Path,
    settings: Settings,
    opened: Callable[..., object],
    capfd: pytest.CaptureFixture[str],
    raised_recursion_limit: None,
) -> None:
    """Broken UTF-8, UTF-16, lone surrogates, nesting without end, wrong types: rejected by number, never quoted."""
    text = f"My mail is {CANARY}, write to me soon"
    row = json.dumps({"id": "x", "text": text}).encode()
    bad = [
        row[:40] + b"\xff\xfe" + row[40:], row.replace(b"mail", b"m\xc3("), row[:-3], b"\x00" + row, b"[" * 100_000,
        json.dumps({"id": "x", "text": f"\ud83d {text}"}).encode(), json.dumps({"id": 3, "text": [text]}).encode(),
        json.dumps({"id": "\udc00", "text": "hello, how are you"}).encode(), json.dumps([text]).encode(), b"NaN",
        json.dumps({"text": text}).encode(), row.decode().encode("utf-16-le").replace(b"\n", b""), b"1" * 10_000,
    ]  # fmt: skip
    source = tmp_path / ("in.jsonl.gz" if opened is gzip.open else "in.jsonl")
    with opened(source, "wb") as sink:  # type: ignore[attr-defined]
        sink.write(b"\n".join([*bad, b'{"id": "good", "text": "What a lovely day it is today"}']))
    counts = screen_file(source, tmp_path / "out.jsonl", settings)
    content = (tmp_path / "out.jsonl").read_text()
    rows = [json.loads(line) for line in content.splitlines()]
    assert counts.verdicts == {"reject": len(bad), "pass": 1}
    assert [row["id"] for row in rows] == [*range(1, len(bad) + 1), "good"]
    assert {reason.partition(":")[0] for row in rows[:-1] for reason in row["reasons"]} == {"malformed_line"}
    assert CANARY not in f"{content} {capfd.readouterr()}"


def test_a_deadline_leaves_the_alarms_of_others_alone() -> None:
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    others = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(Overrun):
            within(0.05, lambda: time.sleep(5))
        assert within(5, lambda: "answer") == "answer"
        assert not rung
        time.sleep(0.5)
        assert rung == [True]
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *others)


def test_a_deadline_of_no_time_at_all_ends_with_the_call() -> None:
    """Wherever the alarm rings, it does not ring again afterwards."""
    before = signal.getsignal(signal.SIGALRM)
    for n in range(3_000):
        with contextlib.suppress(Overrun):
            within(1e-6 * (n % 100 + 1), lambda: sum(range(50)))
    assert signal.getsignal(signal.SIGALRM) is before


def test_in_another_thread_there_is_no_deadline() -> None:
    """What is documented: a signal reaches the main thread only."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(within(0.01, lambda: time.sleep(0.1))))
    thread.start()
    thread.join()
    assert answers == [None]


def test_every_answer_that_is_listed_is_refused() -> None:
    """The catalogue holds no answer that is in order."""
    for detector, answers in ANSWERS.items():
        for name in answers:
            (verdict,) = judged([f"{' '.join(WORDS)} {mark(detector, f'answer_{name}')}"])
            assert verdict.verdict == "reject", (detector, name)
