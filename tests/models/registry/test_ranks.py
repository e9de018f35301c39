"""Of several ranks one acts, and all hear what came of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from infra.errors import RegistrationRefused
from models.registry import ranks


def _in_group(tmp_path: Path, rank: int, call: Any) -> list[str]:
    """What a rank of two hears of two calls, of which the second fails."""
    import torch.distributed as group

    group.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=rank, world_size=2)
    try:
        heard = [str(ranks.once(lambda: call(rank)))]
        try:
            ranks.once(lambda: _refused(rank))
        except RegistrationRefused as error:
            heard.append(error.what)
        return heard
    finally:
        group.destroy_process_group()


def _refused(rank: int) -> None:
    raise RegistrationRefused(f"refused on {rank}")


def test_all_ranks_hear_what_rank_0_did_and_why_it_failed(tmp_path: Path) -> None:
    def call(rank: int) -> str:
        (tmp_path / f"called-{rank}").touch()
        return "rm/1"

    if (pid := os.fork()) == 0:
        try:
            (tmp_path / "heard").write_text(json.dumps(_in_group(tmp_path, 1, call)))
        finally:
            os._exit(0)
    assert _in_group(tmp_path, 0, call) == ["rm/1", "refused on 0"]
    os.waitpid(pid, 0)
    assert json.loads((tmp_path / "heard").read_text()) == ["rm/1", "refused on 0"]
    assert sorted(path.name for path in tmp_path.glob("called-*")) == ["called-0"]


def test_a_rank_without_a_group_does_not_act(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(RegistrationRefused, match="rank 1"):
        ranks.once(lambda: 1)
    monkeypatch.setenv("RANK", "0")
    assert ranks.once(lambda: 1) == 1
