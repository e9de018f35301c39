"""No id that comes from outside stands in a table as it was written, unless it can name nobody."""

from __future__ import annotations

import base64
import json
import re
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_DNS, UUID, uuid5

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from infra.errors import DefinitionRefused, SettingsError
from infra.ids import _SANDBOX, id_of, is_plain_id, is_plain_name, locale_of, name_of, pseudonym
from infra.lake import Lake
from infra.lake.facts import LAKE_FACTS, id_in_lake, ids_are_keyed
from infra.lake.migrate import migrate
from infra.records import RawRow
from infra.settings import Settings
from jobs.annotation.parse import JudgementRules
from jobs.annotation.parse import parse_row as parse_judgement
from jobs.landing.erase import Theirs, erase_lines
from jobs.landing.zone import LandingFile, day_folder, landing_files
from jobs.traffic.parse import Event, LandingRules, parse_row
from tests.conftest import put

KEY = b"a key of tests, long enough"
DAY = date(2026, 3, 1)
RULES = LandingRules(20_000, timedelta(days=30), timedelta(minutes=5), KEY)
FILE = LandingFile("landing", f"{day_folder(DAY)}/a.jsonl", DAY, 0, 0)

EMAIL, PHONE, NAME = "jane.doe@example.com", "491701234567", "jane doe"


def _hex(text: str) -> str:
    return text.encode().hex()


IDENTIFIERS = {
    "an e-mail": EMAIL,
    "an e-mail in an id": f"user {EMAIL}:conv1",
    "an e-mail in percent signs": quote(EMAIL, safe=""),
    "all in percent signs": "".join(f"%{byte:02x}" for byte in EMAIL.encode()),
    "base64": base64.b64encode(EMAIL.encode()).decode(),
    "base64 without padding": base64.urlsafe_b64encode(EMAIL.encode()).decode().rstrip("="),
    "base64 after a word": "u-" + base64.b64encode(EMAIL.encode()).decode().rstrip("="),
    "base32": base64.b32encode(EMAIL.encode()).decode().rstrip("="),
    "hex": _hex(EMAIL),
    "hex in capitals": _hex(EMAIL).upper(),
    "full width": "ｊａｎｅ＠example.com",
    "zero width": "jane\u200b@example.com",
    "a phone": PHONE,
    "a phone with plus": f"+{PHONE}",
    "a phone with signs": "49-170-123-45-67",
    "a phone with dots": "0170.123.4567",
    "a phone after a word": f"session-{PHONE}",
    "a phone of a place": f"0170:{'12345'}",
    "a phone in zeros": PHONE.rjust(18, "0"),
    "a phone as a sandbox id": f"c{PHONE.rjust(18, '0')}",
    "a phone in a UUID": f"00000000-0000-4000-8000-{PHONE}",
    "a phone in a ULID": PHONE.rjust(26, "0"),
    "Arabic digits": "٠١٧٠١٢٣٤٥٦٧",
    "a phone in base64": base64.b64encode(PHONE.encode()).decode(),
    "hex that spells, as a sandbox id": f"c00{_hex('jane.doe')}",
    "shorter hex that spells, as a sandbox id": f"c0000{_hex('janedoe')}",
    "a name": NAME,
    "a line": f"x\n{NAME}",
    "markup": f"<b>{EMAIL}</b>",
    "very long": "x" * 400 + EMAIL,
}
# Forms that a grammar of ids lets pass, although anybody can make them from an identifier and compare.
UNKEYED = {
    "md5": "9e26471d35a78862c17e467d87cddedf",
    "sha1": "8eb1b522f60d11fa897de1dc6351b7e8d1a4a2b5",
    "a UUID of a name": str(uuid5(NAMESPACE_DNS, EMAIL)),
    "a UUID": str(UUID(int=0x0123456789ABCDEF0123456789ABCDEF, version=4)),
    "a short hash": "9e26471d35a78862",
    "a hash of the importer": "c_9e26471d35a7",
    "a name in letters": "janedoe",
    "a name with a number": "jane42",
    "a date of birth": "jd-130285",
    "a date of birth without signs": "130285",
    "a hash of the lake, as written": "c_9e26471d35a78862c17e467d87cddedf",
}
COLUMNS = ("event_id", "conversation_id", "turn_id", "character_id")
NAMES = ("surface", "model_version")


def line(**fields: Any) -> dict[str, Any]:
    return {
        "event_id": "e1", "event_ts": "2026-03-01T10:00:00Z", "event_type": "response", "source": "user",
        "user_id": "u", "conversation_id": "c1", "turn_id": "t1", "model_version": "V1", "payload": {"text": "hi"},
        **fields,
    }  # fmt: skip


def parsed(record: dict[str, Any], rules: LandingRules = RULES) -> Event:
    landed = parse_row(RawRow(1, json.dumps(record).encode(), True), FILE, rules)
    assert landed.event is not None, landed.reason
    return landed.event


@pytest.mark.parametrize("written", [*IDENTIFIERS.values(), *UNKEYED.values()], ids=[*IDENTIFIERS, *UNKEYED])
def test_no_id_column_holds_what_was_written(written: str) -> None:
    event = parsed(line(**dict.fromkeys(COLUMNS, written)))
    kept = {name: getattr(event, name) for name in COLUMNS}
    for name, value in kept.items():
        assert written not in value, name
        assert re.fullmatch(r"(e|c|t|ch)_[0-9a-f]{32}(:\d{5})?", value), name
    hashes = {value.split("_")[1] for value in kept.values()}
    assert len(hashes) == 4 or ":" in written, "an id of one kind says nothing of another kind"
    assert pseudonym(written, KEY)[2:] not in hashes, "nor of a user"


NAMEABLE = {what: written for what, written in IDENTIFIERS.items() if "that spells" not in what}
"""Without those that spell a bare name: names of things are words, as those of people are."""


@pytest.mark.parametrize("written", NAMEABLE.values(), ids=NAMEABLE)
def test_no_name_column_holds_an_identifier(written: str) -> None:
    event = parsed(line(**dict.fromkeys(NAMES, written)))
    for name in NAMES:
        assert re.fullmatch(r"[sm]_[0-9a-f]{32}", getattr(event, name)), name
    exposure = parsed(
        line(event_type="exposure", payload={"experiment_id": written, "arm": written, "eligible": True})
    )
    assert written not in json.loads(exposure.payload).values()
    persona = parsed(line(event_type="character_update", character_id="ch1", payload={"state": written}))
    assert json.loads(persona.payload)["state"] == name_of("state", written, KEY) != written


@pytest.mark.parametrize("written", [*IDENTIFIERS.values(), *UNKEYED.values()], ids=[*IDENTIFIERS, *UNKEYED])
def test_a_judgement_holds_no_id_as_written(written: str) -> None:
    record = {
        "pair_id": written, "annotator_id": written, "mode": "static", "source": written, "user_id": written,
        "context": {"messages": [{"role": "user", "content": "hi"}]}, "response_a": "x", "response_b": "y",
        "winner": "a", "guideline_version": written,
    }  # fmt: skip
    found = parse_judgement(
        RawRow(1, json.dumps(record).encode(), True), FILE, JudgementRules(20_000, KEY)
    ).judgement
    assert found is not None
    assert written not in (found.pair_id, found.annotator_id, found.user_id)
    if written in NAMEABLE.values():
        assert written not in "|".join(str(value) for value in found)


@given(
    st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)
    | st.from_regex(r"[a-z]{0,3}-?[0-9]{1,7}", fullmatch=True)
    | st.from_regex(_SANDBOX, fullmatch=True)
)
def test_what_is_kept_is_short_or_random(written: str) -> None:
    kept = id_of("conversation", written, KEY)
    if kept == written:
        assert len(written) <= 32
        assert written.isascii()
        assert sum(sign.isdigit() for sign in written) < 7 or re.search("[a-f]", written[1:])


@given(st.from_regex(r"[0-9][0-9 ().+-]{6,20}", fullmatch=True))
def test_no_seven_digits_are_kept(written: str) -> None:
    if sum(sign.isdigit() for sign in written) >= 7:
        assert not is_plain_id(written)
        assert not is_plain_name(written) or re.search(r"20\d\d", written)


@pytest.mark.parametrize(
    "written", ["e1", "c1", "t-e1", "ch0001", "42", "12345", "e000123", "c-offline-000012", "e-ch0001-1",
                "t000001a0f1e2d3c4b5", "pair-t000001a0f1e2d3c4b5"],
)  # fmt: skip
def test_plain_ids_stay_as_they_are(written: str) -> None:
    assert id_of("turn", written, KEY) == written


PLAIN_NAMES = [
    "V1", "unknown", "web", "instagram", "B1", "gpt-4o-mini-2024-07-18", "gpt-4-1106-preview",
    "claude-3-5-sonnet-20241022", "meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen2.5-72B-Instruct", "exp-001",
    "release_2026.03.01", "nightly-20260301T120000", "hh-rlhf", "rm-240923", "treatment", "published",
    "v2.10.3+a1b2c3d",
]  # fmt: skip


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_names_of_things_stay_as_they_are(name: str) -> None:
    assert name_of("model_version", name, KEY) == name


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("en", "en"), ("pt_BR", "pt-BR"), ("hi-Latn", "hi-Latn"), ("zh-Hans-CN", "zh-Hans-CN"), ("es-419", "es-419"),
        ("en-US-u-ca-gregory", "en-US"), ("ca-ES-valencia", "ca-ES"), ("en-4917012-34567", "en"),
        ("en-x-jane-doe", "en"), ("de-janedoe", "de"), (EMAIL, None), (PHONE, None), ("x-jane", None),
        ("en-US@jane", None), ("janedoe", None), ("en\n", None),
    ],
)  # fmt: skip
def test_a_locale_is_language_script_and_region(written: str, kept: str | None) -> None:
    locale = locale_of(written)
    assert (locale and locale.tag) == kept
    event = parsed(line(locale=written))
    assert event.locale == kept
    assert ("extra" in json.loads(event.payload)) == (written.replace("_", "-") != kept)


def test_the_sandbox_makes_ids_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    from random import Random

    from infra.sandbox import behaviour

    maker = next(kind for kind in vars(behaviour).values() if hasattr(kind, "new_id"))
    for index in (0, 1, 15, 600, 1_999, 60_000):
        product = SimpleNamespace(user=SimpleNamespace(index=index), ids=Random(index))
        made = [maker.new_id(product, "t") for _ in range(5_000)]
        assert all(map(is_plain_id, made))
        assert len(set(made)) == len(made)


def test_an_id_is_the_same_in_every_file_and_hashed_by_its_kind_and_key() -> None:
    conversation = f"{EMAIL}:conv1"
    first, second = (parsed(line(conversation_id=conversation, event_id=event)) for event in ("e1", "e2"))
    assert first.conversation_id == second.conversation_id
    assert id_of("turn", EMAIL, KEY)[2:] != id_of("event", EMAIL, KEY)[2:]
    assert id_of("turn", EMAIL, KEY) != id_of("turn", EMAIL, b"another key, long enough")


def test_places_in_an_imported_conversation_keep_their_order() -> None:
    made = [f"{EMAIL}:{number:05d}:{kind}" for number, kind in enumerate(("message", "response", "reaction"))]
    kept = [id_of("event", one, KEY) for one in made]
    of = id_of("conversation", EMAIL, KEY)
    assert kept == [f"{of}:00000:message", f"{of}:00001:response", f"{of}:00002:reaction"]
    assert id_of("turn", f"{EMAIL}:00001", KEY) == f"{of}:00001"


def test_a_note_of_an_importer_says_nothing_but_known_words() -> None:
    def reason(written: str) -> str | None:
        note = {
            "event_type": "import_rejected",
            "origin_file": "a.jsonl",
            "origin_line": 3,
            "reason": written,
        }
        return parse_row(RawRow(1, json.dumps(note).encode(), True), FILE, RULES).reason

    assert reason("wrong_type:character.persona") == "import:wrong_type:character.persona"
    for written in ("jane.doe", "wrong_type:jane", PHONE, "u_9e26471d35a78862"):
        assert reason(written) == "import:other"


def test_reasons_of_the_importers_are_known() -> None:
    from jobs.landing.lines import _REASON_WORDS

    root = Path(__file__).parents[2] / "jobs"
    for path in [*root.glob("*/importers/*.py"), root / "landing/lines.py", root / "annotation/parse.py"]:
        text = path.read_text(encoding="utf-8")
        for reason in re.findall(r"(?:NotAChat|Refused)\(f?\"([^\"]*)\"", text):
            for word in re.split("[_:.]", re.sub(r"\{[^}]*\}", "", reason)):
                assert not word or word in _REASON_WORDS, (path.name, reason)
        for field in re.findall(
            r"(?:optional_text|optional_id|list_of|required|optional|text_of)\([^\"()]*\"([a-z_]+)\"", text
        ):
            assert set(field.split("_")) <= _REASON_WORDS, (path.name, field)


def test_erasure_finds_the_lines_of_hashed_conversations(tmp_path: Path) -> None:
    folder = tmp_path / day_folder(DAY)
    folder.mkdir(parents=True)
    lines = [
        {"event_type": "message", "conversation_id": f"{EMAIL}:conv1"},
        {"event_type": "reaction", "turn_id": f"{EMAIL}:conv1:00001"},
        {"event_type": "character_update", "character_id": EMAIL},
        {"event_type": "message", "conversation_id": "another one"},
    ]
    cut = (
        '{"turn_id": "' + EMAIL + ':conv1:00001", "payload": {"text": "cut o',
        '{"turn_id": "another:00001", "pay',
    )
    (folder / "a.jsonl").write_text("\n".join([*map(json.dumps, lines), *cut]) + "\n")
    file = landing_files(str(tmp_path), DAY)[0]
    theirs = Theirs(
        {"somebody": "u_a"},
        {id_of("conversation", f"{EMAIL}:conv1", KEY): "u_a"},
        {id_of("turn", f"{EMAIL}:conv1:00001", KEY): "u_a"},
        {id_of("character", EMAIL, KEY): "u_a"},
        KEY,
    )
    assert erase_lines(file, theirs, 10_000)["u_a"] == 4
    left = (folder / "a.jsonl").read_text().splitlines()
    assert left == ['{"event_type": "erased"}'] * 3 + [
        json.dumps(lines[3]),
        '{"event_type": "erased"}',
        cut[1],
    ]


@pytest.mark.parametrize(
    "name", ["two words", "a,b", "a;b", "a|b", "a\\b", 'a"b', "plain", "grün 1", "base64=="], ids=repr
)
@pytest.mark.parametrize(
    "written",
    ['{"turn_id": %s, "text": "cut o', 'x" {"turn_id": %s, "text": "cut o', '{"turn_id": %s', "turn_id=%s,"],
)
@pytest.mark.parametrize("key", [None, KEY])
def test_an_unreadable_line_is_found_by_any_id(name: str, written: str, key: bytes | None) -> None:
    turn = name if key is None else id_of("turn", name, key)
    theirs = Theirs({"somebody": "u_a"}, {}, {turn: "u_a"}, {}, key)
    line = written % json.dumps(name)
    assert theirs.mentioned(line.encode()) == "u_a"
    assert theirs.mentioned(f'{{"payload": {json.dumps(line)}, "cut'.encode()) == "u_a", "JSON in a string"
    assert theirs.mentioned((written % json.dumps(f"{name}x")).encode()) is None


@pytest.mark.parametrize("written", ["turn_id=plain", "at=1 turn_id=base64==;x", "a=b=plain", "x=plain=y"])
def test_an_id_after_an_equals_sign_is_found(written: str) -> None:
    theirs = Theirs({"somebody": "u_a"}, {}, {"plain": "u_a", "base64==": "u_a"}, {})
    assert theirs.mentioned(written.encode()) == "u_a"
    assert theirs.mentioned(written.replace("plain", "plan").replace("base64==", "base64=").encode()) is None


@pytest.mark.parametrize(
    "cell",
    [
        pa.array(["two words"]),
        pa.array([b"two words"]),
        pa.array([{"of": ["two words"]}]),
        pa.array([{"of": [b"two words"]}]),
        pa.array(['{"turn_id": "two words"}']),
        pa.array(["two words"]).dictionary_encode(),
    ],
    ids=str,
)
def test_a_parquet_cell_is_found_by_a_turn(tmp_path: Path, cell: pa.Array) -> None:
    from infra.storage import Folder
    from jobs.landing.leftovers import leftovers

    folder = tmp_path / day_folder(DAY)
    folder.mkdir(parents=True)
    bad = pa.array([9_000_000_000_000_000_000], pa.timestamp("us"))
    twice = pa.Table.from_arrays([bad, cell, cell], names=["at", "x", "x"])
    pq.write_table(pa.table({"x": cell}), folder / "a.parquet.tmp")
    pq.write_table(twice, folder / "b.parquet")
    theirs = Theirs({"somebody": "u_a"}, {}, {id_of("turn", "two words", KEY): "u_a"}, {}, KEY)
    nested = pa.StructArray.from_arrays([pa.array([b"\xff two words"]).view(pa.string())], names=["of"])
    pq.write_table(pa.table({"x": nested}), folder / "c.parquet.tmp")
    found, damaged = sorted(leftovers(Folder(str(tmp_path), {}), [], theirs, 100))
    assert "a.parquet.tmp: landing does not read it, and it holds an id" in found
    assert "c.parquet.tmp: landing does not read it, and it is damaged" in damaged, "it may hold one"
    assert erase_lines(landing_files(str(tmp_path), DAY)[0], theirs, 10_000)["u_a"] == 1


# Lakes that were filled before the rule.


def forget_the_rule(lake: Lake) -> None:
    facts = json.loads(lake.root.read(LAKE_FACTS))
    del facts["ids"]
    lake.root.write(LAKE_FACTS, json.dumps(facts).encode())


def test_a_new_lake_hashes_ids_and_a_filled_one_keeps_them(settings: Settings, lake: Lake) -> None:
    assert ids_are_keyed(lake)
    forget_the_rule(lake)
    assert not ids_are_keyed(lake)
    migrate(settings)
    assert ids_are_keyed(lake), "no row was landed under the old rule"
    forget_the_rule(lake)
    put(lake, "traffic.events", [{"event_id": "e", "event_type": "message", "source": "user"}])
    for _ in range(2):
        migrate(settings)
        assert not ids_are_keyed(lake)
        assert id_in_lake(settings, "turn", EMAIL) == EMAIL


@pytest.mark.parametrize("is_lost", [True, False])
@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("traffic.events", {"event_id": id_of("event", EMAIL, KEY)}),
        ("traffic.events", {"conversation_id": id_of("conversation", EMAIL, KEY)}),
        ("annotation.preferences", {"pair_id": id_of("pair", EMAIL, KEY)}),
    ],
)
def test_a_lake_that_hashes_ids_goes_on_if_its_facts_are_lost(
    settings: Settings, lake: Lake, table: str, row: dict[str, Any], is_lost: bool
) -> None:
    fits = {"event_type": "message", "source": "user", "mode": "static", "winner": "a", "split": "train"}
    put(lake, table, [{**fits, "response_a": "y"}, {**fits, "response_a": "y", **row}])
    if is_lost:
        Path(lake.curated, LAKE_FACTS).unlink()
    else:
        forget_the_rule(lake)
        assert ids_are_keyed(lake), "also before the next migration"
    migrate(settings, key_fits=True)
    assert json.loads(lake.root.read(LAKE_FACTS))["ids"] == "keyed"
    assert id_in_lake(settings, "turn", EMAIL) != EMAIL


def test_a_filled_lake_lands_its_lines_again_as_they_were() -> None:
    written = line(
        conversation_id=EMAIL, turn_id=NAME, surface=PHONE, locale="en_US-u-ca-gregory", event_id=EMAIL
    )
    event = parsed(
        written, LandingRules(20_000, timedelta(days=30), timedelta(minutes=5), KEY, keyed_ids=False)
    )
    assert (event.event_id, event.conversation_id, event.turn_id, event.surface) == (
        EMAIL,
        EMAIL,
        NAME,
        PHONE,
    )
    assert event.locale == "en-US-u-ca-gregory"


# Looking up.


def test_a_turn_is_found_by_the_id_of_the_product(settings: Settings, lake: Lake) -> None:
    hashed = id_in_lake(settings, "turn", EMAIL)
    put(lake, "curation.outcomes", [{"turn_id": hashed, "outcome": "eligible", "ds": DAY}])
    runner = CliRunner(env={"FLYWHEEL_HOME": str(settings.home)})
    for turn in (EMAIL, hashed):
        (row,) = json.loads(runner.invoke(app, ["outcomes", turn, "--format", "json"]).stdout)
        assert row["outcome"] == "eligible"
    unknown = runner.invoke(app, ["outcomes", "nobody@example.org"])
    assert unknown.exit_code != 0
    assert hashed not in unknown.output + str(unknown.exception)


def test_an_import_under_a_name_that_would_be_hashed_is_refused(
    settings: Settings, lake: Lake, tmp_path: Path
) -> None:
    from jobs.annotation.importers import ImportOptions, import_preferences

    empty = tmp_path / "empty"
    empty.mkdir()
    for names in ({"source": "red team"}, {"guideline": EMAIL}):
        with pytest.raises(SettingsError, match="hash instead of"):
            import_preferences(settings, empty, ImportOptions("hh-rlhf", DAY, **names))
    forget_the_rule(lake)
    with pytest.raises(SettingsError, match="file is there"):
        import_preferences(settings, empty, ImportOptions("hh-rlhf", DAY, source="red team"))


def test_sources_whose_unsafe_pairs_are_kept_are_met_as_the_table_names_them(
    settings: Settings, lake: Lake
) -> None:
    from jobs.annotation.preferences import _kept_sources

    kept = settings.model_copy(
        update={
            "preferences": settings.preferences.model_copy(
                update={"keep_unsafe": {"red team": "why", "x": "y"}}
            )
        }
    )
    ctx: Any = SimpleNamespace(settings=kept, lake=lake)
    assert _kept_sources(ctx) == {name_of("source", "red team", settings.user_key()): "why", "x": "y"}
    forget_the_rule(lake)
    assert _kept_sources(ctx) == {"red team": "why", "x": "y"}


def test_a_definition_with_a_name_that_landing_would_hash_is_refused(settings: Settings, lake: Lake) -> None:
    from jobs.experiments.definition import Definition, declare

    def wanted(experiment_id: str = "exp-1", arm: str = "test") -> Definition:
        return Definition(
            experiment_id=experiment_id, title="t", owner="o", shares={"control": 0.1, arm: 0.1}, salt="s",
            eligibility="all", start_ds=date(2027, 1, 1), end_ds=date(2027, 1, 7),
        )  # fmt: skip

    for refused in (wanted(f"exp-{PHONE}"), wanted(arm="an arm with spaces"), wanted(arm=EMAIL)):
        with pytest.raises(DefinitionRefused, match="with a hash"):
            declare(settings, refused, today=date(2026, 12, 1))
    assert declare(settings, wanted(), today=date(2026, 12, 1)) == "declared"
