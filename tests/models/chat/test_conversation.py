"""Contexts as chat messages."""

from __future__ import annotations

import json

import pytest

from infra.errors import TrainingRefused
from models.chat.conversation import answered, context_of, messages

SAID = [{"role": "user", "content": "hola"}]


def test_a_curated_character_is_read_as_words() -> None:
    """`curation.samples` holds traits as a list, and NULL where a character has none."""
    character = {"name": "Ada", "traits": ["kind", "dry"], "instructions": None}
    found = messages(json.dumps({"character": character, "messages": SAID}))
    assert found == [{"role": "system", "content": "Ada\nkind, dry"}, *SAID]


def test_what_was_assembled_is_read_back() -> None:
    context = context_of(SAID, system="Be brief.", character={"name": "Ada"})
    assert answered(context, "yes") == [
        {"role": "system", "content": "Be brief.\nAda"}, *SAID, {"role": "assistant", "content": "yes"},
    ]  # fmt: skip
    assert messages(context_of(SAID)) == SAID


@pytest.mark.parametrize(
    "context", ["no JSON", "{}", '{"messages": [{"role": "system", "content": "x"}]}', '{"messages": [3]}']
)
def test_anything_else_is_refused_without_its_text(context: str) -> None:
    with pytest.raises(TrainingRefused, match="a context") as refused:
        messages(context)
    assert context not in str(refused.value)
