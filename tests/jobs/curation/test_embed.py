"""Embedding each distinct text once, and the text that is embedded."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from jobs.curation import EMBED
from jobs.curation.diversity.prompts import prompts, text_hash
from tests.jobs.curation.conftest import FIRST_DAY, Bench


def texts_of(bench: Bench) -> dict[str, str]:
    frame = prompts(
        bench.read("curation.screened", None), bench.read("curation.screened_characters", None),
        bench.settings.diversity,
    )  # fmt: skip
    return {row["turn_id"]: row["prompt_text"] for row in frame.collect()}


def test_the_text_is_name_last_assistant_message_and_user_message(bench: Bench) -> None:
    noon = bench.turn("x", "x")["response_ts"]
    versions = [
        ("Old  Name", noon - timedelta(days=9), noon - timedelta(hours=1)),
        ("Luna", noon - timedelta(hours=1), None),
    ]
    bench.put(
        "curation.screened_characters",
        [
            {"character_id": "luna", "valid_from": start, "valid_to": end, "verdict": "pass", "redacted_name": name,
             "ds": FIRST_DAY}
            for name, start, end in versions
        ],
    )  # fmt: skip
    more = {"conversation_id": "c", "character_id": "luna"}
    bench.put(
        "curation.screened",
        [
            bench.turn(
                "greet",
                "x",
                turn_index=0,
                redacted_user_message=None,
                redacted_response="Hello\n there",
                **more,
            ),
            bench.turn("one", "hi", redacted_response="y" * 300 + " end", **more),
            bench.turn("lost", "no", turn_index=2, is_final=False, redacted_response="superseded", **more),
            bench.turn("two", "ok\nthen", turn_index=2, **more),
            bench.turn("bad", "x", turn_index=3, verdict="reject", **more),
            bench.turn("four", "after", turn_index=4, **more),
            bench.turn("five", "much later", turn_index=5, day=30, **more),
        ],
    )
    found = texts_of(bench)
    assert found["one"] == "Luna\nHello there\nhi"
    assert found["two"] == "Luna\n" + "y" * 252 + " end\nok\nthen"
    assert found["four"] == "Luna\n\nafter"  # the turn before did not pass
    assert found["five"] == "Luna\n\nmuch later"  # and an old message is no context
    assert set(found) == {"one", "two", "four", "five"}


def test_each_text_is_embedded_once_by_an_encoder_that_can_read_it(bench: Bench) -> None:
    exactly = {"backend": "openvino", "precision": "fp32"}
    encoders = tuple(spec.model_copy(update=exactly) for spec in bench.settings.diversity.encoders)
    rules = bench.settings.diversity.model_copy(update={"encoders": encoders})
    bench.settings = bench.settings.model_copy(update={"diversity": rules})
    bench.put(
        "curation.screened",
        [
            bench.turn("a", "Do you like the sea?"),
            bench.turn("b", "Do you like the sea?", day=1),
            bench.turn("zh", "你喜欢大海吗?", language="zh"),
            bench.turn(
                "wrong", "你喜欢大海吗?我昨天买了一本书", language="en"
            ),  # the detector erred: unknown tokens tell
            bench.turn("hi", "क्या तुम्हें समुद्र पसंद है", language="hi"),
        ],
    )
    bench.days = (FIRST_DAY, FIRST_DAY + timedelta(days=1))
    bench.run(EMBED)
    rows = bench.written["curation.embeddings"]
    key = bench.settings.user_key()
    assert {(row["text_hash"], row["encoder"]) for row in rows} == {
        (text_hash(key, "\n\nDo you like the sea?"), "all-MiniLM-L6-v2/openvino/fp32"),
        (text_hash(key, "\n\n你喜欢大海吗?"), "use-multilingual-v3/openvino/fp32"),
    }
    assert all(abs(np.linalg.norm(row["embedding"]) - 1) < 1e-5 for row in rows)
    # What was asked for, on the day that first needs it: one text had too many unknown tokens for its encoder.
    assert bench.rows_in["curation.embeddings"] == {FIRST_DAY: 3}
    bench.run(EMBED)
    assert len(bench.written["curation.embeddings"]) == 2
    assert bench.rows_in["curation.embeddings"] == {FIRST_DAY: 1}  # the unreadable one is tried again
