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
    rows: list[Row] = []
    for line in gzip.decompress(
        (data / "chatlogs" / "convai2_volunteers.jsonl.gz").read_bytes()
    ).splitlines():
        chat = json.loads(line)
        persona = {"instructions": " ".join(chat["character"]["persona"])}
        blocks = [
            (role, [*group]) for role, group in groupby(chat["messages"], key=lambda message: message["role"])
        ]
        context: Messages = []
        for place, (role, block) in enumerate(blocks):
            text = "\n".join(message["content"] for message in block)
            if role == "character" and context:
                thumbs = {message["thumb"] for message in block}
                name = chat["conversation_id"]
                rows.append(
                    _row(name, len(rows), chat["user_id"] or name, context, text, persona)
                    | {
                        "thumb_up": 1 in thumbs, "thumb_down": 0 in thumbs, "model_version": chat["model"],
                        "replied_in_session": place + 1 < len(blocks), "session_turn_index": len(context) // 2 + 1,
                    }
                )  # fmt: skip
            context.append({"role": "user" if role == "user" else "assistant", "content": text})
    return rows


def simulated(seed: int, turns: int) -> tuple[list[Row], dict[str, float]]:
    """Final responses of an English sandbox with their labels, and the hidden engagingness of each."""
    plain = PlantingSettings(
        late_events=0, malformed_lines=0, duplicate_events=0, conflicting_duplicates=0, bots=0
    )
    settings = SandboxSettings(
        turns=turns, days=2, start=date(2026, 11, 18), experiment=None, languages={"en": 1.0}, planted=plain,
        internal_share=0.0, seed=seed,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        generate(settings, Path(folder) / "landing", Path(folder) / "truth", 1)
        gold = {row["turn_id"]: row for row in read_gold(Path(folder) / "truth", "turns")}
        events: dict[str, list[Row]] = {}
        for file in sorted((Path(folder) / "landing").glob("received_ds=*/*.jsonl.gz")):
            for line in gzip.decompress(file.read_bytes()).splitlines():
                event = json.loads(line)
                if event["event_type"] in ("message", "response", "reaction"):
                    events.setdefault(event["conversation_id"], []).append(event)
    rows = [row for name in sorted(events) for row in _labelled(name, events[name], gold)]
    return rows, {row["turn_id"]: float(gold[row["turn_id"]]["engagingness"]) for row in rows}


def _labelled(name: str, events: list[Row], gold: Mapping[str, Row]) -> Iterator[Row]:
    """Responses of one conversation whose windows lie within what was simulated."""
    events.sort(key=lambda event: (event["event_ts"], event["event_id"]))
    spoken = [event for event in events if event["event_type"] != "reaction"]
    # The last word on a thumb counts.
    thumbs = {
        event["turn_id"]: (datetime.fromisoformat(event["event_ts"]), not event["payload"].get("removed"))
        for event in events
        if event["event_type"] == "reaction" and event["payload"]["reaction"] == "thumb_up"
    }
    context: Messages = []
    for place, event in enumerate(spoken):
        text = event["payload"]["text"]
        after = spoken[place + 1] if place + 1 < len(spoken) else None
        is_response = event["event_type"] == "response"
        superseded = is_response and after is not None and after["event_type"] == "response"
        if is_response and context and context[-1]["role"] == "user" and not superseded:
            then = datetime.fromisoformat(event["event_ts"])
            silence = datetime.fromisoformat(after["event_ts"]) - then if after is not None else None
            moment, stands = thumbs.get(event["turn_id"], (then, False))
            up = stands and moment - then <= _REACT
            yield _row(name, place, event["user_id"], context, text, None) | {
                "turn_id": event["turn_id"], "jtbd": gold[event["turn_id"]]["topic"], "thumb_up": up,
                "continued": silence is not None and silence <= _CONTINUE, "model_version": event["model_version"],
                "replied_in_session": silence is not None and silence < timedelta(minutes=30),
                "session_turn_index": len(context) // 2 + 1,
            }  # fmt: skip
        if not superseded:
            context.append(
                {"role": "user" if event["event_type"] == "message" else "assistant", "content": text}
            )


def _row(
    name: str, place: int, user: str, context: Messages, text: str, character: dict[str, str] | None
) -> Row:
    last_message = context[-1]["content"] if context[-1]["role"] == "user" else ""
    share = hashlib.sha256(f"signal-models/{user}".encode()).digest()[0] / 256
    return {
        "turn_id": f"{name}/{place}", "user_id": user, "conversation_id": name, "session_id": name, "language": "en",
        "jtbd": "(unjudged)", "split": "evaluation" if share < 1 / 3 else "train",
        "prior_sentiment": sentiment(last_message, "en") if last_message else None, "response_words": len(text.split()),
        "is_question": text.rstrip().endswith("?"), "response": text,
        "context": context_of(context[-2 * _CONTEXT_TURNS :], character=character),
    }  # fmt: skip


def measure(
    rows: list[Row], signals: Sequence[str], seed: int, size: int, folder: Path
) -> dict[str, TrainedSignal]:
    """A model a signal, each told as it is there."""
    chosen = configuration("signals-smoke", batch=16, seed=seed, max_length=_TOKENS, steps=0, epochs=_EPOCHS)
    table = pa.Table.from_pylist(rows, schema=_SCHEMA)
    trained = {}
    for signal in signals:
        try:
            trained[signal] = train_signal(
                folder, chosen, base_model(load_settings()), table, signal, most=size
            )
        except TrainingRefused as error:
            print(f"{signal}: {error}\n")
            continue
        _tell(signal, trained[signal])
    return trained


def _tell(signal: str, trained: TrainedSignal) -> None:
    evaluation = trained.evaluation
    print(f"{signal}: {', '.join(f'{name[5:]} {n}' for name, n in trained.counts.items() if n)}\n")
    lines = [
        ["transformer", _figure_text(evaluation.overall.auc), _figure_text(evaluation.overall.precision), ""]
    ]
    lines += [
        [
            name,
            _figure_text(baseline.auc),
            _figure_text(baseline.precision),
            _figure_text(evaluation.gains[name]),
        ]
        for name, baseline in evaluation.baselines.items()
    ]
    rate = evaluation.overall.happened / max(evaluation.overall.rows, 1)
    print(f"{evaluation.overall.rows} responses to {evaluation.overall.users} users, rate {rate:.3f}\n")
    print(table(["model", "AUC", "average precision", "AUC of the transformer less it"], lines))
    cells = [
        [cell.cell, cell.rows, cell.happened, cell.users, _figure_text(cell.auc)]
        for cell in evaluation.cells[1:]
    ]
    print(table(["cell", "responses", "happened", "users", "AUC"], cells))
    error = evaluation.calibrated
    print(
        f"calibration error {error.error:.3f} (by chance {error.by_chance:.3f}, 95 % below {error.by_chance_most:.3f}; "
        f"equal widths {error.error_by_width:.3f}); mean probability less rate {_figure_text(error.gap)}\n"
    )
    print(
        table(
            ["rows", "predicted", "observed"],
            [[b.rows, f"{b.predicted:.3f}", f"{b.observed:.3f}"] for b in error.bins],
        )
    )
    print(
        table(
            ["bias", "predictions", "verdict", "labels", "verdict"], [_bias(bias) for bias in evaluation.bias]
        )
    )


def _bias(line: BiasLine) -> list[str]:
    sides = [
        text
        for finding in (line.predicted, line.labelled)
        for text in (
            _figure_text(Figure(finding.estimate, finding.low, finding.high)),
            (finding.status or "").replace("_", " "),
        )
    ]
    return [f"{line.predicted.contrast} {line.predicted.level or ''}", *sides]


def _figure_text(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "too few"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def truth_rank(trained: TrainedSignal, rows: list[Row], truth: Mapping[str, float], seed: int) -> Figure:
    """Spearman of probabilities with the hidden truth on evaluation users, with an interval over users."""
    evaluation = [row for row in rows if row["split"] == "evaluation"]
    scores = trained.probabilities(pa.Table.from_pylist(evaluation, schema=_SCHEMA).select(SEEN))
    finite = np.isfinite(scores)
    x, y = scores[finite], np.array([truth[row["turn_id"]] for row in evaluation])[finite]
    users = [row["user_id"] for row, is_read in zip(evaluation, finite, strict=True) if is_read]

    def statistic(weights: np.ndarray) -> np.ndarray:
        return spearman(x, y, weights)

    return Resamples.of(users, seed).interval(float(statistic(np.ones((1, len(x))))[0]), statistic)


def _figures(trained: Mapping[str, TrainedSignal]) -> dict[str, object]:
    return {
        signal: {
            name: round(value, 4)
            for name, value in model.evaluation.metrics().items()
            if name.split("_low")[0].split("_high")[0] in _SHOWN
        }
        for signal, model in trained.items()
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
    trained = measure(volunteers(data), chosen_signals(signals, _VOLUNTEERED), seed, size, folder)
    aucs = [auc.evaluation.overall.auc for auc in trained.values()]
    met = {"every AUC has an interval": bool(aucs) and all(auc.low is not None for auc in aucs)}
    return {"volunteers": _figures(trained)}, met


def on_sandbox(data: Path, seed: int, size: int, signals: str, folder: Path) -> Answer:
    """Part 2."""
    rows, truth = simulated(seed, 3 * size)
    trained = measure(rows, chosen_signals(signals, _SIMULATED), seed, size, folder)
    ranks = {signal: truth_rank(model, rows, truth, seed) for signal, model in trained.items()}
    for signal, rank in ranks.items():
        print(f"{signal}: rank correlation of the score with the hidden engagingness {_figure_text(rank)}\n")
    rises = {f"p({signal}) rises with hidden quality": (rank.low or 0) > 0 for signal, rank in ranks.items()}
    rank_figures = {signal: [rank.value, rank.low, rank.high] for signal, rank in ranks.items()}
    return {"sandbox": _figures(trained), "sandbox_truth": rank_figures}, rises


def chosen_signals(signals: str, signal_names: Sequence[str]) -> list[str]:
    """Those of `known` that were asked for; all for an empty text."""
    return [name for name in signal_names if not signals or name in signals.split(",")]


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
            part_figures, passed = PARTS[name](
                options.data, options.seed, options.size, options.signals, Path(folder)
            )
            figures |= part_figures
            met |= passed
    return (
        0
        if close("signal_models", figures, {"score_rises_with_hidden_quality": "lower bound > 0"}, met)
        else 1
    )


if __name__ == "__main__":
    sys.exit(main())
