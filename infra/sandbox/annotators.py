"""Annotators of pairs of responses: landed judgements, and the true quality gap of each pair as gold.

A served turn gets a second response to the same context from another model version. Static: `reviews` annotators
of a pool judge it from the log. Interactive: an internal user judges while conversing. Their score is
`reactions.annotator_score`: the truth, their taste for emoji, length and lists, and noise (section 2.2.2).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from infra.assignment import stable_hash
from infra.sandbox.behaviour import Product
from infra.sandbox.characters import Character
from infra.sandbox.engagingness import Message
from infra.sandbox.faults import encode
from infra.sandbox.planting import Gold, Row
from infra.sandbox.policies import EMOJI, Context, Policy
from infra.sandbox.population import User, World, mix
from infra.sandbox.reactions import annotator_score
from infra.sandbox.settings import AnnotatorSettings

TRUTH = "preference_pairs"
_LIST = "\n- "


@dataclass(frozen=True)
class _Item:
    """A served turn to judge, and the random stream for all draws about it."""

    turn: Row  # of the gold table `turns`
    user: User
    messages: tuple[Message, ...]
    character: Character | None
    served: Message
    luck: Random


def judgements(
    world: World, policies: Mapping[str, Policy], products: Sequence[Product], gold: Gold
) -> dict[date, list[bytes]]:
    """Lines to land by day of the batch, for the turns of these users; their truth goes to `gold`.

    Draws from streams of its own: with or without annotators, everything else is the same.
    """
    settings = world.settings.annotators
    if settings is None:
        return {}
    items = [item for product in products for item in _items(world, settings, product)]
    lines: dict[date, list[bytes]] = defaultdict(list)
    for item, (version, alternative) in zip(items, _alternatives(world, policies, items), strict=True):
        texts = {alternative.text.strip(), item.served.text.strip()}
        if len(texts) < 2 or "" in texts:
            continue  # nothing to choose between
        if not all(message.text.strip() for message in item.messages[-settings.context_messages :]):
            continue  # the landing contract refuses an empty message
        day = _batch(world, settings, item.turn["day"])
        responses = [(item.turn["model_version"], item.served), (version, alternative)]
        if item.luck.random() < 0.5:
            responses.reverse()
        truth = [world.truth(item.messages, response, item.character) for _, response in responses]
        pair_id = f"pair-{item.turn['turn_id']}"
        for row in _labels(world, settings, item, [response for _, response in responses], truth):
            lines[day].append(encode({"pair_id": pair_id, **row}))
        gold.add(
            TRUTH,
            pair_id=pair_id, turn_id=item.turn["turn_id"], batch=f"{day:%y%m%d}", mode=_mode(item.user),
            version_a=responses[0][0], version_b=responses[1][0], engagingness_a=round(truth[0], 6),
            engagingness_b=round(truth[1], 6), gap=round(truth[0] - truth[1], 6),
        )  # fmt: skip
    return dict(lines)


def _mode(user: User) -> str:
    return "interactive" if user.source == "internal" else "static"


def _items(world: World, settings: AnnotatorSettings, product: Product) -> Iterator[_Item]:
    """Turns of one user that are judged, each with the conversation before it as the model saw it."""
    user = product.user
    share = settings.interactive_share if user.source == "internal" else settings.static_share
    served = {row["turn_id"]: row for row in product.trace.gold.tables.get("turns", [])}
    characters = {c.character_id: c for c in world.characters}
    conversations: dict[str, list[Message]] = defaultdict(list)
    for event in product.trace.events if not user.is_bot else ():
        kind, messages = event["event_type"], conversations[event.get("conversation_id", "")]
        if kind == "message":
            messages.append(Message("user", event["payload"]["text"]))
        elif kind == "regenerate":
            messages.pop()
        elif kind == "response":
            message = Message("assistant", event["payload"]["text"])
            turn = served[event["turn_id"]]
            luck = Random(mix(world.settings.seed, 14, stable_hash(event["turn_id"])))
            if luck.random() < share and messages and messages[-1].role == "user":
                character = characters.get(event.get("character_id", ""))
                yield _Item(turn, user, tuple(messages), character, message, luck)
            messages.append(message)


def _alternatives(
    world: World, policies: Mapping[str, Policy], items: Sequence[_Item]
) -> list[tuple[str, Message]]:
    """The second response to each item: of another version if there is one, else of the same."""
    requests: dict[str, list[tuple[int, Context]]] = defaultdict(list)
    for place, item in enumerate(items):
        served_version = item.turn["model_version"]
        versions = [v for v in world.settings.versions if v != served_version] or [served_version]
        context = Context(
            messages=item.messages, character=item.character, language=item.user.language,
            topic=item.turn["topic"], seed=item.luck.getrandbits(63),
        )  # fmt: skip
        requests[versions[int(item.luck.random() * len(versions))]].append((place, context))
    responses: dict[int, tuple[str, Message]] = {}
    for version, contexts in sorted(requests.items()):
        answers = policies[version].respond([context for _, context in contexts])
        for (place, _), answer in zip(contexts, answers, strict=True):
            responses[place] = (version, Message("assistant", answer))
    return [responses[place] for place in range(len(items))]


def _labels(
    world: World,
    settings: AnnotatorSettings,
    item: _Item,
    responses: Sequence[Message],
    truth: Sequence[float],
) -> Iterator[Row]:
    if _mode(item.user) == "interactive":
        annotators = [f"internal-{item.user.user_id}"]
    else:
        annotators = [f"annotator-{n:03d}" for n in item.luck.sample(range(settings.pool), settings.reviews)]
    for annotator in annotators:
        scores = [
            annotator_score(
                score, len(response.features.words), sum(response.text.count(sign) for sign in EMOJI),
                _LIST in response.text,
                world.settings.biases, item.luck,
            )
            for response, score in zip(responses, truth, strict=True)
        ]  # fmt: skip
        yield {
            "annotator_id": annotator, "mode": _mode(item.user), "source": "sandbox", "user_id": item.user.user_id,
            "context": _context(item, settings.context_messages), "response_a": responses[0].text,
            "response_b": responses[1].text, "winner": _winner(scores, settings),
            "guideline_version": settings.guideline,
        }  # fmt: skip


def _winner(scores: Sequence[float], settings: AnnotatorSettings) -> str:
    a, b = scores
    if max(a, b) < settings.both_bad_below:
        return "both_bad"
    if abs(a - b) < settings.tie_within:
        return "tie"
    return "a" if a > b else "b"


def _context(item: _Item, limit: int) -> Row:
    context: Row = {
        "messages": [{"role": message.role, "content": message.text} for message in item.messages[-limit:]]
    }
    if item.character is not None:
        character = item.character
        context["character"] = {
            "name": character.name,
            "traits": list(character.traits),
            "instructions": character.instructions,
        }
    return context


def _batch(world: World, settings: AnnotatorSettings, day: int) -> date:
    """The last day of the span of days that are judged together, or of the run."""
    last = min((day // settings.batch_days + 1) * settings.batch_days, world.settings.days) - 1
    return world.settings.start + timedelta(days=last)
