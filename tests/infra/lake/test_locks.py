"""One writer at a time, whatever happens to the writer."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from infra.errors import LockHeld
from infra.lake.locks import hold


def test_the_second_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with (
        hold(str(tmp_path), ["a.b", "a.c"], "first", 60),
        pytest.raises(LockHeld, match="run first"),
        hold(str(tmp_path), ["a.c"], "second", 60),
    ):
        pass
    with hold(str(tmp_path), ["a.b", "a.c"], "third", 60) as locks:
        locks["a.b"].check()


def test_a_refused_run_gives_back_what_it_took(tmp_path: Path) -> None:
    with hold(str(tmp_path), ["a.c"], "first", 60):
        with pytest.raises(LockHeld), hold(str(tmp_path), ["a.b", "a.c"], "second", 60):
            pass
        with hold(str(tmp_path), ["a.b"], "third", 60):
            pass


def test_a_killed_owner_frees_its_lock_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom infra.lake.locks import hold\n"
        "with hold(sys.argv[1], ['a.b'], 'victim', 600):\n    print('held', flush=True); time.sleep(60)\n"
    )
    victim = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    assert victim.stdout.readline().strip() == "held"
    with pytest.raises(LockHeld, match="victim"), hold(str(tmp_path), ["a.b"], "early", 600):
        pass
    victim.kill()
    victim.wait()
    with hold(str(tmp_path), ["a.b"], "next", 600) as locks:
        locks["a.b"].check()


def test_the_heartbeat_keeps_a_slow_writer_alive(tmp_path: Path) -> None:
    with hold(str(tmp_path), ["a.b"], "slow", 0.4) as locks:
        time.sleep(1.0)
        with pytest.raises(LockHeld), hold(str(tmp_path), ["a.b"], "other", 0.4):
            pass
        locks["a.b"].check()


def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    wins, losses = [], []
    barrier, done = threading.Barrier(8), threading.Event()

    def contend(name: str) -> None:
        barrier.wait()
        try:
            with hold(str(tmp_path), ["a.b"], name, 60):
                wins.append(name)
                done.wait(5)
        except LockHeld:
            losses.append(name)
            if len(losses) == 7:
                done.set()

    threads = [threading.Thread(target=contend, args=(f"r{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(wins), len(losses)) == (1, 7)
