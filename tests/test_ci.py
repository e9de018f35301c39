"""Which tests CI runs: all of them when a change touches what every job stands on, and whenever it cannot know."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest

TARGET = Path(__file__).resolve().parent.parent / ".ci" / "target"
NOON = datetime(2026, 11, 20, 12)


class Repository:
    """A small git repository whose commits have the times they are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, at: datetime = NOON) -> None:
        names = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), f"{at:%Y-%m-%dT%H:%M:%S}Z")
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, env=self.environment | names | dates)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return kept | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}

    def commit(self, path: str, at: datetime = NOON) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(at) + path)
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", path, at=at)

    def target(self, **environment: str) -> tuple[str, str]:
        done = subprocess.run(
            [TARGET], cwd=self.folder, check=True, capture_output=True, text=True, env=self.environment | environment
        )  # fmt: skip
        return done.stdout.strip(), done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Two days ago `dags/a.py` was committed; since then only pages."""
    repository = Repository(tmp_path)
    repository.commit("dags/a.py", NOON - timedelta(days=2))
    repository.commit("docs/a.md")
    return repository


def test_a_page_needs_the_tests_without_the_nightly_ones(repository: Repository) -> None:
    target, why = repository.target()
    assert target == "test"
    assert "in the 24 hours before the last commit" in why


@pytest.mark.parametrize(
    "path",
    [
        "infra/write/staged.py",
        "infra/storage/open.py",
        "jobs/runner.py",
        "jobs/signals/__init__.py",
        "dags/b.py",
    ],
)
def test_what_every_job_stands_on_needs_all(repository: Repository, path: str) -> None:
    repository.commit(path)
    repository.commit("docs/b.md")
    target, why = repository.target()
    assert target == "test-all"
    assert path in why


def test_a_branch_is_compared_with_where_it_began(repository: Repository) -> None:
    repository.commit("dags/b.py")
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repository.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    repository.commit("docs/b.md")
    target, why = repository.target()
    assert target == "test"
    assert "origin/HEAD" in why


def test_a_base_can_be_given_and_an_unknown_one_means_all(repository: Repository) -> None:
    assert repository.target(CI_BASE="HEAD~1")[0] == "test"
    assert repository.target(CI_BASE="no-such-commit")[0] == "test-all"


def test_a_clone_without_history_needs_all(repository: Repository, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(shallow))
    done = subprocess.run([TARGET], cwd=shallow, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "test-all"
    assert "no commit older than a day" in done.stderr


def test_without_a_clone_everything_runs(tmp_path: Path) -> None:
    outside = os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    done = subprocess.run([TARGET], cwd=tmp_path, check=True, capture_output=True, text=True, env=outside)
    assert done.stdout.strip() == "test-all"
