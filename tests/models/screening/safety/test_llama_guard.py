"""Llama Guard's interface on a tiny random Llama: scores from first-token odds, nothing unparsable is ever safe."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from infra.errors import DetectorUnavailable
from infra.settings import ScreeningSettings
from models.screening.detection import Detectors, Question, examine
from models.screening.safety.llama_guard import LlamaGuardModel, verdict

WORDS = ["<pad>", "</s>", "<unk>", "user", ":", "safe", "unsafe", "S1", "S10", "S99", "hello", "bomb", "\n"]
TEMPLATE = "{% for m in messages %}{{ m['role'] }} : {{ m['content'] }}{% endfor %}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer Llama with random weights and a word tokenizer, saved as a hub model is."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(3)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS), hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64, eos_token_id=1, pad_token_id=0,
        )
    )  # fmt: skip
    place = tmp_path_factory.mktemp("guard")
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


def _biased(guard: LlamaGuardModel, answers: list[dict[str, float]]) -> LlamaGuardModel:
    """The same model with logits of each step replaced: what a trained model would say."""
    model: Any = guard._loaded._model
    step = {"at": 0}
    inner = type(model).forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        found = inner(model, *args, **kwargs)
        said = answers[min(step["at"], len(answers) - 1)]
        step["at"] += 1
        found.logits[:, -1, :] = -30.0
        for word, logit in said.items():
            found.logits[:, -1, WORDS.index(word)] = logit
        return found

    model.forward = forward
    return guard


def _raised(guard: LlamaGuardModel) -> None:
    """Lift both answers at the first step and a code at the next; their odds stay the model's own."""
    model: Any = guard._loaded._model
    inner = type(model).forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        found = inner(model, *args, **kwargs)
        if found.logits.shape[1] > 1 or kwargs["input_ids"].shape[1] > 1:
            found.logits[:, -1, WORDS.index("safe")] += 20.0
            found.logits[:, -1, WORDS.index("unsafe")] += 21.0
        else:
            found.logits[:, -1, WORDS.index("S10")] += 20.0
        return found

    model.forward = forward


def test_score_is_the_odds_of_the_first_token_and_the_category_the_code(folder: Path) -> None:
    """Logits 2 and 0 for unsafe and safe are a probability of e^2 / (1 + e^2)."""
    guard = _biased(LlamaGuardModel(str(folder)), [{"unsafe": 2.0, "safe": 0.0}, {"S10": 5.0}, {"</s>": 5.0}])
    (score,) = guard.score(["hello bomb"], "en")
    assert score.category == "S10"
    assert score.score == pytest.approx(math.exp(2) / (1 + math.exp(2)), abs=1e-5)


def test_a_safe_answer_scores_nothing(folder: Path) -> None:
    """A clear 'safe' is no hazard."""
    guard = _biased(LlamaGuardModel(str(folder)), [{"unsafe": 0.0, "safe": 8.0}, {"</s>": 5.0}])
    (score,) = guard.score(["hello"], "hi")
    assert (score.category, score.score) == (None, 0.0)


def test_random_weights_answer_nonsense_and_that_is_a_failure(folder: Path) -> None:
    """An untrained model says neither safe nor unsafe: screening calls that a detector error, never a pass."""
    guard = LlamaGuardModel(str(folder))
    assert all(math.isnan(score.score) for score in guard.score(["hello", "bomb hello bomb"], "en"))
    (found,) = examine([Question("hello there my friend")], ScreeningSettings(), Detectors(safety=(guard,)))
    assert found.errors == ("llama-guard",)


def test_batches_keep_the_order_of_the_texts(folder: Path) -> None:
    """Texts of many lengths, more than a batch, score as each does alone; one that is too long has no score."""
    guard = LlamaGuardModel(str(folder))
    _raised(guard)
    texts = [("hello bomb " * (1 + i % 9)).strip() for i in range(18)] + ["hello " * 100]
    together = [score.score for score in guard.score(texts, "en")]
    alone = [guard.score([text], "en")[0].score for text in texts[:9]]
    assert together[:9] == pytest.approx(alone, abs=1e-4)
    assert len({round(value, 3) for value in alone}) > 1
    assert math.isnan(together[-1])


@pytest.mark.parametrize(
    ("answer", "category"),
    [
        ("unsafe\nS9", "S9"),
        ("\n\nunsafe\nS1,S10", "S1"),
        ("unsafe", None),
        ("unsafe\nS99", None),
        ("maybe", None),
        ("", None),
    ],
)
def test_what_cannot_be_parsed_is_no_verdict(answer: str, category: str | None) -> None:
    """Only a known code makes an unsafe answer; everything else is NaN."""
    score = verdict(0.9, answer)
    assert score.category == category
    assert (score.score == 0.9) if category else math.isnan(score.score)


def test_a_missing_model_is_unavailable(tmp_path: Path) -> None:
    """A folder without a model cannot be loaded, so nothing may pass."""
    with pytest.raises(DetectorUnavailable, match="cannot be loaded"):
        LlamaGuardModel(str(tmp_path)).load()
