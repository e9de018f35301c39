"""Patterns that an operator configures are read, and refused when they take too long, before anything runs."""

from __future__ import annotations

import pytest

from infra.expressions import fault_of


@pytest.mark.parametrize(
    "pattern", [r"EMP-\d{6}", r"(?:red|green) \w+", r"\b[A-Z]{2}\d{4,8}\b", r"kunde[ -]?nr\.? \d+"]
)
def test_linear_patterns_are_taken(pattern: str) -> None:
    assert fault_of(pattern) == ""


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(\d+)*x", r"(?:[a-z]|\w)+!", r"(x|xx)+y", r"\d+\d+\d+\d+z"])
def test_patterns_that_explode_are_refused(pattern: str) -> None:
    assert "takes too long" in fault_of(pattern)


def test_what_cannot_be_read_or_matches_nothing_is_refused() -> None:
    assert "no regular expression" in fault_of("(unclosed")
    assert "empty text" in fault_of("a*")
