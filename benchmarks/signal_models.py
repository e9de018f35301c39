"""Signal models beside a length-only and a sentiment-only baseline: real volunteers, and a simulated product.

1. ConvAI2 volunteers (public): thumb up, thumb down and "wrote again" of each response; two thirds of the users train
   and calibrate, one third judges. The log has session times only, so that "wrote again" stands in for p(continue).
2. The sandbox, where the truth is known: p(thumb up) and p(continued) trained on its logs, and how their scores rank
   with the hidden engagingness of the responses. A simulator: no result on people.

`--size` is the most training rows of one model; all models start from the embedded base model and read at most 160
tokens, the last turns of longer contexts; three passes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.race import arguments, close, table
from infra.errors import TrainingRefused
from infra.sandbox import SandboxSettings, generate
from infra.sandbox.settings import PlantingSettings
from infra.sandbox.writer import read_gold
from infra.settings import load_settings
from models.chat.conversation import Messages, context_of
from models.signals.bias import BiasLine
from models.signals.correlation import spearman
from models.signals.model import SEEN
from models.signals.ranking import Figure, Resamples
from models.signals.rows import SIGNALS
from models.signals.train import TrainedSignal, train_signal
from models.text.sentiment import sentiment
from models.training.base import base_model
from models.training.configuration import configuration

_CONTEXT_TURNS, _TOKENS, _EPOCHS = 20, 256, 3.0
_CONTINUE, _REACT = timedelta(minutes=10), timedelta(minutes=120)
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("turn_id", "user_id", "conversation_id", "session_id", "language", "jtbd")),
        ("split", pa.string()), ("model_version", pa.string()), ("session_turn_index", pa.int32()),
        ("prior_sentiment", pa.float64()), ("response_words", pa.int32()), ("is_question", pa.bool_()),
        ("replied_in_session", pa.bool_()), *((name, pa.bool_()) for name in SIGNALS), ("context", pa.string()),
        ("response", pa.string()),
    ]
)  # fmt: skip

Row = dict[str, Any]
Answer = tuple[dict[str, object], dict[str, bool]]


def volunteers(data: Path) -> list[Row]:
    """Responses of the public log: consecutive messages of one side are one turn."""
    found: list[Row] = []
    for line in gzip.decompress(
        (data / "chatlogs" / "convai2_volunteers.jsonl.gz").read_bytes()
    ).splitlines():
        chat = json.loads(line)
        persona = {"instructions": " ".join(chat["character"]["persona"])}
        blocks = [(role, [*group]) for role, group in groupby(chat["messages"], key=lambda one: one["role"])]
        said: Messages = []
        for place, (role, block) in enumerate(blocks):
            text = "\n".join(one["content"] for one in block)
            if role == "character" and said:
                thumbs = {one["thumb"] for one in block}
                name = chat["conversation_id"]
                found.append(
                    _row(name, len(found), chat["user_id"] or name, said, text, persona)
                    | {
                        "thumb_up": 1 in thumbs, "thumb_down": 0 in thumbs, "model_version": chat["model"],
                        "replied_in_session": place + 1 < len(blocks), "session_turn_index": len(said) // 2 + 1,
                    }
                )  # fmt: skip
            said.append({"role": "user" if role == "user" else "assistant", "content": text})
    return found


def simulated(seed: int, turns: int) -> tuple[list[Row], dict[str, float]]:
    """Final responses of an English sandbox with their labels, and the hidden engagingness of each."""
    plain = PlantingSettings(
        late_events=0, malformed_lines=0, duplicate_events=0, conflicting_duplicates=0, bots=0
    )
    wanted = SandboxSettings(
        turns=turns, days=2, start=date(2026, 11, 18), experiment=None, languages={"en": 1.0}, planted=plain,
        internal_share=0.0, seed=seed,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        generate(wanted, Path(folder) / "landing", Path(folder) / "truth", 1)
        gold = {row["turn_id"]: row for row in read_gold(Path(folder) / "truth", "turns")}
        events: dict[str, list[Row]] = {}
        for file in sorted((Path(folder) / "landing").glob("received_ds=*/*.jsonl.gz")):
            for line in gzip.decompress(file.read_bytes()).splitlines():
                one = json.loads(line)
                if one["event_type"] in ("message", "response", "reaction"):
                    events.setdefault(one["conversation_id"], []).append(one)
    rows = [row for name in sorted(events) for row in _labelled(name, events[name], gold)]
    return rows, {row["turn_id"]: float(gold[row["turn_id"]]["engagingness"]) for row in rows}


def _labelled(name: str, events: list[Row], gold: Mapping[str, Row]) -> Iterator[Row]:
    """Responses of one conversation whose windows lie within what was simulated."""
    events.sort(key=lambda one: (one["event_ts"], one["event_id"]))
    spoken = [one for one in events if one["event_type"] != "reaction"]
    # The last word on a thumb counts.
    thumbs = {
        one["turn_id"]: (datetime.fromisoformat(one["event_ts"]), not one["payload"].get("removed"))
        for one in events
        if one["event_type"] == "reaction" and one["payload"]["reaction"] == "thumb_up"
    }
    said: Messages = []
    for place, one in enumerate(spoken):
        text = one["payload"]["text"]
        after = spoken[place + 1] if place + 1 < len(spoken) else None
        is_response = one["event_type"] == "response"
        superseded = is_response and after is not None and after["event_type"] == "response"
        if is_response and said and said[-1]["role"] == "user" and not superseded:
            then = datetime.fromisoformat(one["event_ts"])
            silence = datetime.fromisoformat(after["event_ts"]) - then if after is not None else None
            moment, stands = thumbs.get(one["turn_id"], (then, False))
            up = stands and moment - then <= _REACT
            yield _row(name, place, one["user_id"], said, text, None) | {
                "turn_id": one["turn_id"], "jtbd": gold[one["turn_id"]]["topic"], "thumb_up": up,
                "continued": silence is not None and silence <= _CONTINUE, "model_version": one["model_version"],
                "replied_in_session": silence is not None and silence < timedelta(minutes=30),
                "session_turn_index": len(said) // 2 + 1,
            }  # fmt: skip
        if not superseded:
            said.append({"role": "user" if one["event_type"] == "message" else "assistant", "content": text})


def _row(
    name: str, place: int, user: str, said: Messages, text: str, character: dict[str, str] | None
) -> Row:
    asked = said[-1]["content"] if said[-1]["role"] == "user" else ""
    share = hashlib.sha256(f"signal-models/{user}".encode()).digest()[0] / 256
    return {
        "turn_id": f"{name}/{place}", "user_id": user, "conversation_id": name, "session_id": name, "language": "en",
        "jtbd": "(unjudged)", "split": "evaluation" if share < 1 / 3 else "train",
        "prior_sentiment": sentiment(asked, "en") if asked else None, "response_words": len(text.split()),
        "is_question": text.rstrip().endswith("?"), "response": text,
        "context": context_of(said[-2 * _CONTEXT_TURNS :], character=character),
    }  # fmt: skip


def measure(
    rows: list[Row], signals: Sequence[str], seed: int, size: int, folder: Path
) -> dict[str, TrainedSignal]:
    """A model a signal, each told as it is there."""
    chosen = configuration("signals-smoke", seed=seed, max_length=_TOKENS, steps=0, epochs=_EPOCHS)
    made = pa.Table.from_pylist(rows, schema=_SCHEMA)
    found = {}
    for signal in signals:
        try:
            found[signal] = train_signal(folder, chosen, base_model(load_settings()), made, signal, most=size)
        except TrainingRefused as error:
            print(f"{signal}: {error}\n")
            continue
        _tell(signal, found[signal])
    return found


def _tell(signal: str, trained: TrainedSignal) -> None:
    found = trained.evaluation
    print(f"{signal}: {', '.join(f'{name[5:]} {n}' for name, n in trained.counts.items() if n)}\n")
    lines = [["transformer", _told(found.overall.auc), _told(found.overall.precision), ""]]
    lines += [
        [name, _told(one.auc), _told(one.precision), _told(found.gains[name])]
        for name, one in found.baselines.items()
    ]
    rate = found.overall.happened / max(found.overall.rows, 1)
    print(f"{found.overall.rows} responses to {found.overall.users} users, rate {rate:.3f}\n")
    print(table(["model", "AUC", "average precision", "AUC of the transformer less it"], lines))
    cells = [[one.cell, one.rows, one.happened, one.users, _told(one.auc)] for one in found.cells[1:]]
    print(table(["cell", "responses", "happened", "users", "AUC"], cells))
    error = found.calibrated
    print(
        f"calibration error {error.error:.3f} (by chance {error.by_chance:.3f}, 95 % below {error.by_chance_most:.3f}; "
        f"equal widths {error.error_by_width:.3f}); mean probability less rate {_told(error.gap)}\n"
    )
    print(
        table(
            ["rows", "predicted", "observed"],
            [[b.rows, f"{b.predicted:.3f}", f"{b.observed:.3f}"] for b in error.bins],
        )
    )
    print(table(["bias", "predictions", "verdict", "labels", "verdict"], [_bias(one) for one in found.bias]))


def _bias(line: BiasLine) -> list[str]:
    sides = [
        text
        for one in (line.predicted, line.labelled)
        for text in (_told(Figure(one.estimate, one.low, one.high)), (one.status or "").replace("_", " "))
    ]
    return [f"{line.predicted.contrast} {line.predicted.level or ''}", *sides]


def _told(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "too few"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def truth_rank(trained: TrainedSignal, rows: list[Row], truth: Mapping[str, float], seed: int) -> Figure:
    """Spearman of probabilities with the hidden truth on evaluation users, with an interval over users."""
    held = [row for row in rows if row["split"] == "evaluation"]
    scores = trained.probabilities(pa.Table.from_pylist(held, schema=_SCHEMA).select(SEEN))
    read = np.isfinite(scores)
    x, y = scores[read], np.array([truth[row["turn_id"]] for row in held])[read]
    users = [row["user_id"] for row, is_read in zip(held, read, strict=True) if is_read]

    def statistic(weights: np.ndarray) -> np.ndarray:
        return spearman(x, y, weights)

    return Resamples.of(users, seed).interval(float(statistic(np.ones((1, len(x))))[0]), statistic)


def _figures(found: Mapping[str, TrainedSignal]) -> dict[str, object]:
    return {
        signal: {
            name: round(value, 4)
            for name, value in one.evaluation.metrics().items()
            if name.split("_low")[0].split("_high")[0] in _SHOWN
        }
        for signal, one in found.items()
    }


_SHOWN = {
    "rows", "happened", "users", "auc", "pr_auc", "calibration.error", "calibration.error_by_chance",
    "auc_gain_over.length_only", "auc_gain_over.sentiment_only", "length_only.auc", "sentiment_only.auc",
}  # fmt: skip


def on_volunteers(data: Path, seed: int, size: int, signals: str, folder: Path) -> Answer:
    """Part 1."""
    if not (data / "chatlogs" / "convai2_volunteers.jsonl.gz").is_file():
        print("no real data: part 1 is left out\n")
        return {"volunteers": "absent"}, {}
    found = measure(volunteers(data), wanted(signals, _VOLUNTEERED), seed, size, folder)
    aucs = [one.evaluation.overall.auc for one in found.values()]
    told = {"every AUC has an interval": bool(aucs) and all(one.low is not None for one in aucs)}
    return {"volunteers": _figures(found)}, told


def on_sandbox(data: Path, seed: int, size: int, signals: str, folder: Path) -> Answer:
    """Part 2."""
    rows, truth = simulated(seed, 3 * size)
    found = measure(rows, wanted(signals, _SIMULATED), seed, size, folder)
    ranks = {signal: truth_rank(one, rows, truth, seed) for signal, one in found.items()}
    for signal, rank in ranks.items():
        print(f"{signal}: rank correlation of the score with the hidden engagingness {_told(rank)}\n")
    rises = {f"p({signal}) rises with hidden quality": (rank.low or 0) > 0 for signal, rank in ranks.items()}
    told = {signal: [rank.value, rank.low, rank.high] for signal, rank in ranks.items()}
    return {"sandbox": _figures(found), "sandbox_truth": told}, rises


def wanted(signals: str, known: Sequence[str]) -> list[str]:
    """Those of `known` that were asked for; all for an empty text."""
    return [one for one in known if not signals or one in signals.split(",")]


_VOLUNTEERED = ("thumb_up", "replied_in_session", "thumb_down")
_SIMULATED = ("thumb_up", "continued")
PARTS: dict[str, Callable[[Path, int, int, str, Path], Answer]] = {
    "volunteers": on_volunteers, "sandbox": on_sandbox,
}  # fmt: skip


def main() -> int:
    """Run the chosen parts."""
    more = {
        "only": (",".join(PARTS), "parts to run, with commas"),
        "signals": ("", "those to train; all if empty"),
    }
    options = arguments(__doc__, 1500, more)
    figures: dict[str, object] = {}
    met: dict[str, bool] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only.split(","):
            found, passed = PARTS[name](
                options.data, options.seed, options.size, options.signals, Path(folder)
            )
            figures |= found
            met |= passed
    return (
        0
        if close("signal_models", figures, {"score_rises_with_hidden_quality": "lower bound > 0"}, met)
        else 1
    )


if __name__ == "__main__":
    sys.exit(main())
