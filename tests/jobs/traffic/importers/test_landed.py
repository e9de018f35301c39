"""What is imported is landed and becomes turns: each answer with its question, a replaced one not final."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.ids import pseudonym
from infra.lake import Lake
from infra.lake.facts import user_key
from infra.settings import Settings
from jobs.traffic.importers import import_logs
from tests.jobs.traffic.conftest import Rows
from tests.jobs.traffic.importers.test_exports import EXPORTS


def test_imports_become_turns(
    settings: Settings, lake: Lake, tmp_path: Path, run_days: Callable[..., Any], rows_of: Rows
) -> None:
    instant = [
        {"role": role, "content": f"{number} {role}", "created_at": 1_761_556_800}
        for number in range(2)
        for role in ("user", "assistant")
    ]
    log = [{"id": "zz", "user": "u-4711", "messages": instant}]
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in log))
    (tmp_path / "logs" / "b.json").write_bytes((EXPORTS / "chatgpt.json").read_bytes())
    report = import_logs(settings, lake.landing, tmp_path / "logs")
    assert (report.conversations, report.rejected) == (2, {})
    days = f"{report.first_day}..{report.last_day}"
    for job in ("traffic.land", "traffic.turns"):
        run_days(job, days)
    assert rows_of("traffic.quarantine") == []
    turns = rows_of("traffic.turns", "user_message", "response", "is_final", "user_id")
    assert sorted((turn["user_message"], turn["response"], turn["is_final"]) for turn in turns) == [
        ("0 user", "0 assistant", True),
        ("1 user", "1 assistant", True),
        ("How do I tie a bowline?", "The rabbit comes out of the hole.", True),
        ("How do I tie a bowline?", "With a rope.", False),
        ("Like this?", "Yes, just so.", True),
    ]
    # The id that the product gave is the one that an erasure is asked for.
    assert pseudonym("u-4711", user_key(settings)) in {turn["user_id"] for turn in turns}
