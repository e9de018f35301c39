"""Own recognisers and the allow list: what they change, and what is refused before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.settings import ScreeningSettings, load_settings
from infra.settings.curation import RecogniserSettings
from models.screening.privacy.custom import Allowed
from models.screening.privacy.span import Span
from models.screening.verdict import ScreeningPolicy, detectors_of, screen_file, screen_text

BADGE = RecogniserSettings(name="badge", pattern=r"\bACME-\d{4}\b")


def _redacted(text: str, **settings: object) -> str | None:
    policy = ScreeningPolicy(ScreeningSettings(use_names=False, **settings))  # type: ignore[arg-type]
    return screen_text(text, policy).redacted


def test_an_own_recogniser_finds_its_pattern_near_its_words_with_its_checksum() -> None:
    assert _redacted("my badge is ACME-4821 ok", recognisers=(BADGE,)) == "my badge is <CUSTOM_ID> ok"
    near = BADGE.model_copy(update={"context": ("Badge",)})
    assert _redacted("take ACME-4821 now", recognisers=(near,)) == "take ACME-4821 now"
    assert _redacted("badge ACME-4821 now", recognisers=(near,)) == "badge <CUSTOM_ID> now"
    luhn = RecogniserSettings(name="points", pattern=r"\b\d{8}\b", checksum="luhn")
    assert _redacted("points 12345674 and 12345675", recognisers=(luhn,)) == "points <CUSTOM_ID> and 12345675"


def test_an_own_recogniser_keeps_to_its_languages() -> None:
    spanish = BADGE.model_copy(update={"languages": ("es",)})
    english, other = (
        "please take the badge ACME-4821 with you today",
        "por favor lleva la tarjeta ACME-4821 contigo hoy",
    )
    assert _redacted(english, recognisers=(spanish,)) == english
    assert _redacted(other, recognisers=(spanish,)) == other.replace("ACME-4821", "<CUSTOM_ID>")


def test_allowed_texts_and_patterns_stay() -> None:
    """Only what lies within an allowed part stays; a longer identifier that holds it does not."""
    allow = ("support@acme.example", "/https://docs\\.acme\\.example/[a-z]+/")
    text = "write to Support@acme.example or tove@acme.example, see https://docs.acme.example/start"
    assert _redacted(text, allow=allow) == text.replace("tove@acme.example", "<EMAIL_ADDRESS>")
    longer = Span(0, 12, "URL", 0.9)
    assert Allowed(("acme",)).without("acme.example", [longer]) == [longer]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recognisers": [{"name": "x", "pattern": "("}]}, "no regular expression"),
        ({"recognisers": [{"name": "x", "pattern": "(a+)+$"}]}, "takes too long"),
        ({"recognisers": [{"name": "x", "pattern": "a*"}]}, "empty text"),
        ({"recognisers": [{"name": "x", "pattern": "ab", "checksum": "es.nothing"}]}, "python-stdnum"),
        ({"recognisers": [{"name": "x", "pattern": "ab", "checksum": "util"}]}, "python-stdnum"),
        (
            {"recognisers": [{"name": "x", "pattern": "ab"}, {"name": "x", "pattern": "cd"}]},
            "two recognisers",
        ),
        ({"recognisers": [{"name": "x", "pattern": "ab", "colour": "red"}]}, "colour"),
        ({"allow": ["a"]}, "less than two"),
        ({"allow": ["/(a+)+$/"]}, "takes too long"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ScreeningSettings.model_validate(settings)


def test_both_are_part_of_the_policy() -> None:
    """A review decision binds to them."""
    plain, own = ScreeningSettings(use_names=False), ScreeningSettings(use_names=False, recognisers=(BADGE,))
    allowing = ScreeningSettings(use_names=False, allow=("acme.example",))
    versions = {ScreeningPolicy.of(settings).policy_version for settings in (plain, own, allowing)}
    assert len(versions) == 3
    assert detectors_of(own) is detectors_of(own)


def test_both_from_flywheel_toml_through_a_file(tmp_path: Path) -> None:
    """As the command `flywheel screen` does it: settings from TOML, lines in, verdicts out."""
    (tmp_path / "flywheel.toml").write_text(
        '[screening]\nuse_names = false\nallow = ["help@acme.example"]\n'
        '[[screening.recognisers]]\nname = "badge"\npattern = \'ACME-\\d{4}\'\ncontext = ["badge"]\n'
    )
    lines = tmp_path / "in.jsonl"
    lines.write_text(
        json.dumps({"id": 1, "text": "badge ACME-4821, mail help@acme.example or tove@acme.example"})
    )
    counts = screen_file(lines, tmp_path / "out.jsonl", load_settings(home=tmp_path))
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert counts.verdicts == {"pass": 1}
    assert row["redacted"] == "badge <CUSTOM_ID>, mail help@acme.example or <EMAIL_ADDRESS>"
