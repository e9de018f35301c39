"""What a record is, by hand."""

from __future__ import annotations

import pytest

from infra.records import refusal_of

REFUSED = {
    b"": "malformed_json",
    b"{": "malformed_json",
    b'{"a": 1} {"b": 2}': "malformed_json",
    b'{"a": 1,}': "malformed_json",
    b"{'a': 1}": "malformed_json",
    b'{"a": NaN}': "malformed_json",
    b'{"a": [-Infinity]}': "malformed_json",
    b'{"a": 1e999}': "malformed_json",
    b'{"a": [{"b": -1.5E+400}]}': "malformed_json",
    b'{"a": ' + b"9" * 400 + b".0}": "malformed_json",
    b'{"a": ' + b"9" * 250 + b"e70}": "malformed_json",
    b'{"a": ' + b"9" * 5_000 + b"}": "malformed_json",
    b'{"a": "tab\tinside"}': "malformed_json",
    b'{"a": 1, "a": 1}': "duplicate_key",
    b'{"b": [{"a": 1, "a": 2}]}': "duplicate_key",
    b'{"a": 1, "\\u0061": 2}': "duplicate_key",
    b'{"a": "\\ud83d"}': "bad_unicode",
    b'{"\\udc00": 1}': "bad_unicode",
    b'{"a": "\\ude00\\ud83d"}': "bad_unicode",
    b'{"a": "\xed\xa0\xbd"}': "not_utf8",
    b'{"a": "caf\xe9"}': "not_utf8",
    b"[1]": "not_an_object",
    b"null": "not_an_object",
    b'"text"': "not_an_object",
    b"[" * 65 + b"]" * 65: "too_deep",
}


@pytest.mark.parametrize("content", REFUSED)
def test_what_is_no_record(content: bytes) -> None:
    assert refusal_of(content) == (None, REFUSED[content])


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b' {"a": 1} \t', {"a": 1}),
        (
            b'{"a": 1e300, "b": 5e-999, "c": "1e999 and 7E+400"}',
            {"a": 1e300, "b": 0.0, "c": "1e999 and 7E+400"},
        ),
        (b'{"id": 12345678901234567890123}', {"id": 12345678901234567890123}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"A": 1, "a": 2}', {"A": 1, "a": 2}),
        (b'{"a": "\\u2028"}', {"a": "\u2028"}),
        ('{"a": "\u2028 \x85"}'.encode(), {"a": "\u2028 \x85"}),
    ],
)
def test_what_is_one(content: bytes, value: object) -> None:
    assert refusal_of(content) == (value, None)
