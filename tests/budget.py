"""What the tests cost, and the limits of `make test`.

The cost of a test is the CPU time of its worker process and of everything that process started: the JVM, Spark's Python
workers, Airflow. A busy machine makes a run longer, it hardly changes its CPU time. A fixture that several tests share
(scope class, module or session) is counted apart, not with the test that happened to come first.

`--budget` fails the run when a test without the marker `nightly` costs more than `TEST_SECONDS`, or when everything but
the `nightly` tests costs more than `TOTAL_SECONDS`. `--costs=FILE` writes the cost of every test and shared fixture.
"""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

TEST_SECONDS = 20.0
# One machine's CPU second buys less than another's: a test that is over its limit by less is named, and fails nothing.
TOLERANCE = 1.5
# 18 worker-minutes on each of two cores.
TOTAL_SECONDS = 2 * 18 * 60.0
SHOWN = 12
# Fewer tests than this are a file or two.
FEW = 200
# Their import takes seconds. Each worker needs them sooner or later: no test shall pay for being the first.
PRELOADED = ("torch", "transformers", "sentence_transformers", "trl", "mlflow", "great_expectations")


def tree_seconds() -> float:
    """CPU seconds so far of this process and all it started; those that ended count once somebody waited for them."""
    me = psutil.Process()
    seconds = 0.0
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


class Meter:
    """Measures the tests of one worker; what it finds travels to the controller with the tests' reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._start = 0.0
        self._shared: Counter[str] = Counter()
        self._depth = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if self._config.option.budget and len(session.items) > FEW:
            for name in PRELOADED:
                importlib.import_module(name)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Iterator[None]:
        self._start = tree_seconds()
        self._shared.clear()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[Any]:
        # A shared fixture that asks for another while it is made is counted as a whole.
        if fixturedef.scope == "function" or self._depth:
            return (yield)
        before = tree_seconds()
        self._depth += 1
        try:
            return (yield)
        finally:
            self._depth -= 1
            self._shared[f"{fixturedef.baseid or 'tests'}::{fixturedef.argname}"] += max(
                0.0, tree_seconds() - before
            )

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        own = max(0.0, tree_seconds() - self._start - self._shared.total())
        item.user_properties += [("cpu_seconds", own), ("shared_cpu_seconds", dict(self._shared))]
        return (yield)

    def pytest_sessionfinish(self) -> None:
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["cpu_seconds"] = tree_seconds()


class Budget:
    """Adds up on the controller, and judges at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._tests: dict[str, float] = {}
        self._nightly: dict[str, float] = {}
        self._shared: Counter[str] = Counter()
        self._workers = 0.0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "teardown":
            return
        properties = dict(report.user_properties)
        test = report.nodeid.rpartition("@")[0] or report.nodeid  # xdist adds the group's name
        self._tests[test] = float(properties.get("cpu_seconds", 0.0))  # type: ignore[arg-type]
        shared: dict[str, float] = properties.get("shared_cpu_seconds", {})  # type: ignore[assignment]
        self._shared.update(shared)
        if "nightly" in report.keywords:
            # With the fixtures it was the first to need: mostly no other test does.
            self._nightly[test] = self._tests[test] + sum(shared.values())
        kind = "nightly" if test in self._nightly else "test"
        self._write((self._tests[test], kind, test), *((s, "fixture", f) for f, s in shared.items()))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._workers += getattr(node, "workeroutput", {}).get("cpu_seconds", 0.0)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._config.option.budget and self.broken() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @property
    def total(self) -> float:
        """CPU seconds of everything but the nightly tests: tests, shared fixtures, start of the workers, collection."""
        return max(0.0, self.everything - sum(self._nightly.values()))

    @property
    def everything(self) -> float:
        """CPU seconds of the whole run."""
        # Under xdist the workers are done and told theirs; without it this process ran the tests.
        return self._workers + time.process_time() if self._workers else tree_seconds()

    def broken(self) -> list[str]:
        """The limits that do not hold, each with what to do."""
        dear = [
            f"{test} took {seconds:.0f} CPU s, the limit is {TEST_SECONDS:.0f}: make it cheaper, or mark it "
            "@pytest.mark.nightly and keep a cheap version without the marker"
            for test, seconds in self._by_cost()
            if seconds > TOLERANCE * TEST_SECONDS and test not in self._nightly
        ]
        if self.total > TOTAL_SECONDS:
            dear.append(
                f"all tests but the nightly ones took {self.total / 60:.0f} CPU minutes, the limit is "
                f"{TOTAL_SECONDS / 60:.0f}: make the dearest files above cheaper, or mark their dearest tests nightly"
            )
        return dear

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        self._write((self.everything, "all", "everything, with the start of the workers and collection"))
        if not self._config.option.budget or not self._tests:
            return
        files: Counter[str] = Counter()
        for test, seconds in self._tests.items():
            files[test.partition("::")[0]] += seconds
        terminalreporter.section("cost")
        for what, seconds in (files + self._shared).most_common(SHOWN):
            terminalreporter.write_line(f"{seconds:8.1f} CPU s  {what}")
        terminalreporter.write_line(
            f"{self.total / 60:8.1f} CPU minutes in all without nightly tests (limit {TOTAL_SECONDS / 60:.0f})"
        )
        for test, seconds in self._by_cost():
            if TEST_SECONDS < seconds <= TOLERANCE * TEST_SECONDS and test not in self._nightly:
                terminalreporter.write_line(
                    f"{seconds:8.1f} CPU s  {test}: over the limit, within the tolerance"
                )
        for line in self.broken():
            terminalreporter.write_line(f"BUDGET: {line}", red=True)

    def _by_cost(self) -> list[tuple[str, float]]:
        return sorted(self._tests.items(), key=lambda pair: -pair[1])

    def _write(self, *costs: tuple[float, str, str]) -> None:
        """Append to the file of costs at once: a run that is stopped leaves what it measured."""
        if path := self._config.option.costs:
            with Path(path).open("a", encoding="utf-8") as file:
                file.writelines(f"{seconds:.2f}\t{kind}\t{name}\n" for seconds, kind, name in costs)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("budget")
    group.addoption(
        "--budget", action="store_true", help="fail when tests that are not nightly cost too much"
    )
    group.addoption("--costs", metavar="FILE", help="write what each test and shared fixture cost, in CPU s")


def pytest_configure(config: pytest.Config) -> None:
    if not (config.option.budget or config.option.costs):
        return
    distributed = bool(getattr(config.option, "tx", None))
    if hasattr(config, "workerinput") or not distributed:
        config.pluginmanager.register(Meter(config), "budget-meter")
    if not hasattr(config, "workerinput"):
        if config.option.costs:
            Path(config.option.costs).write_text("")
        config.pluginmanager.register(Budget(config), "budget")
