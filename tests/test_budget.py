"""The limits on what tests cost: who breaks them, who does not, and what the message says."""

from __future__ import annotations

import pytest

from tests import budget

FILE = """
    import time
    import pytest

    def burn():
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass

    @pytest.fixture(scope="module")
    def shared():
        burn()

    def test_that_uses_what_others_share(shared):
        pass

    {marker}
    def test_dear():
        burn()
"""


def run(pytester: pytest.Pytester, marker: str = "", *options: str) -> pytest.RunResult:
    pytester.makepyfile(FILE.format(marker=marker))
    pytester.makeini("[pytest]\nmarkers = nightly\n")
    return pytester.runpytest_inprocess("-p", "tests.budget", "-p", "no:xdist", *options)


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "TEST_SECONDS", 0.2)
    monkeypatch.setattr(budget, "tree_seconds", _process_seconds)
    monkeypatch.setattr(budget, "TOTAL_SECONDS", 1e9)


def _process_seconds() -> float:
    import time

    return time.process_time()


def test_a_dear_test_fails_the_run_and_is_named(pytester: pytest.Pytester) -> None:
    result = run(pytester, "", "--budget")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["BUDGET: *::test_dear took * CPU s*make it cheaper, or mark it*nightly*"])
    assert "test_that_uses_what_others_share took" not in result.stdout.str()


def test_a_nightly_test_may_be_dear(pytester: pytest.Pytester) -> None:
    assert run(pytester, "@pytest.mark.nightly", "--budget").ret == pytest.ExitCode.OK


def test_without_the_option_nothing_is_judged(pytester: pytest.Pytester) -> None:
    assert run(pytester).ret == pytest.ExitCode.OK


def test_all_together_have_a_limit_too(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "TEST_SECONDS", 1e9)
    monkeypatch.setattr(budget, "TOTAL_SECONDS", 0.1)
    result = run(pytester, "", "--budget")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["BUDGET: all tests but the nightly ones took*"])


def test_costs_are_written_by_test_and_shared_fixture(pytester: pytest.Pytester) -> None:
    run(pytester, "@pytest.mark.nightly", "--costs=costs.tsv")
    lines = [line.split("\t") for line in (pytester.path / "costs.tsv").read_text().splitlines()]
    kinds = {name.rpartition("::")[2]: (kind, float(seconds)) for seconds, kind, name in lines}
    assert kinds["test_dear"][0] == "nightly"
    assert kinds["shared"][0] == "fixture"
    assert kinds["shared"][1] > 0.2 > kinds["test_that_uses_what_others_share"][1]
