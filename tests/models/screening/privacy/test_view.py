"""Spelled-out runs are what one expression says they are, and are found in linear time."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.screening.privacy.view import _UNIT, normalised, spelled_runs
from tests.conftest import examples

RUN = re.compile(
    rf"(?<![A-Za-z0-9])(?:{_UNIT.pattern}|[!-~])(?P<sign>[ .\-_])(?:(?:{_UNIT.pattern}|[!-~])(?P=sign)){{4,}}"
    rf"(?:{_UNIT.pattern}|[A-Za-z0-9@.])(?![A-Za-z0-9])",
    re.IGNORECASE,
)
"""The definition; read from every place to the end of the text, so quadratic."""

PIECES = st.sampled_from(
    [*" .-_", *"ab1@!é", " ", "one", "Two", "seis", "a.", ". ", "- ", "\u017f", "\u212a", "\n"]
)


@examples(2_000)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_runs_are_those_of_the_expression(text: str) -> None:
    assert list(spelled_runs(text)) == [match.span() for match in RUN.finditer(text)]


@examples(400)
@given(st.lists(st.sampled_from(["a", "b", "@", ".", "one", "two", "1", "!", "ab"]), max_size=14),
       st.sampled_from([" ", ".", "-", "_"]), st.text(alphabet="ab1 .-_@!", max_size=6))  # fmt: skip
def test_runs_of_one_sign_are_those_of_the_expression(units: list[str], sign: str, around: str) -> None:
    text = around + sign.join(units) + around[::-1]
    assert list(spelled_runs(text)) == [match.span() for match in RUN.finditer(text)]


@pytest.mark.parametrize(
    "unit", ["! ", "-", "= ", "a.", "one ", "j o h n ", ". . ", "- - ", "x", "_", "a b! "]
)
def test_four_times_the_text_costs_about_four_times(unit: str) -> None:
    def cost(size: int) -> float:
        text = normalised((unit * size)[:size]).text
        began = time.process_time()
        for _ in spelled_runs(text):
            pass
        return time.process_time() - began

    cost(1_000)
    small, large = min(cost(20_000) for _ in range(3)), min(cost(80_000) for _ in range(3))
    assert large < 8 * small + 0.02
