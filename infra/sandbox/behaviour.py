"""The behaviour of one user, day by day: returns, opens chats, writes, reads, reacts, goes on or leaves.

A user is a generator that yields the context to be answered and is sent the response, so that a caller can
serve many users in one batch. Streams are kept apart by purpose and by session, and a turn takes a fixed number
of draws from the stream of behaviour: the same user under two arms meets the same luck (common random numbers).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from infra.ids import is_plain_id
from infra.sandbox.characters import Character
from infra.sandbox.engagingness import Message, count_phrases
from infra.sandbox.grammar import grammar, pick, topics
from infra.sandbox.near_duplicates import Member, member
from infra.sandbox.planting import Gold, MessagePlanter, Plant, Row, plant_in_response
from infra.sandbox.policies import Context
from infra.sandbox.population import User, World, mix
from infra.sandbox.reactions import DRAWS, Reaction, Reactor, Seen, sigmoid
from infra.sandbox.words import user_message

DAY = 86_400.0
SILENCE = 1_800.0
TURN_DRAWS = 10
HISTORY = 8
Request = tuple[str, Context]  # model version, what it is asked
Conversation = Generator[Request, str, None]
VersionOfDay = Callable[[int], str]


@dataclass
class Thread:
    """A conversation that may be taken up again."""

    conversation_id: str
    character_index: int  # -1: no character
    topic: str
    messages: list[Message] = field(default_factory=list)

    def say(self, message: Message) -> None:
        """Add a message; only the last few are ever looked at again."""
        self.messages = [*self.messages[-HISTORY:], message]


@dataclass
class Trace:
    """All that a user did: events in the order of writing, gold, messages per day."""

    events: list[Row] = field(default_factory=list)
    gold: Gold = field(default_factory=Gold)
    messages_by_day: dict[int, int] = field(default_factory=dict)
    turns: int = 0


class Product:
    """One user in front of the product: writes the trace. `version_of` says which model serves on a day."""

    def __init__(self, world: World, user: User, version_of: VersionOfDay) -> None:
        self.world = world
        self.user = user
        self.version_of = version_of
        self.trace = Trace()
        self.met = 0.5  # engagingness met so far, moving average
        self.start = datetime.combine(world.settings.start, datetime.min.time(), UTC).timestamp()
        self.ids = Random(mix(world.settings.seed, 5, user.index))

    def new_id(self, prefix: str) -> str:
        """An opaque id, unique for all purposes, that landing keeps as it is: it never spells or counts anything."""
        owner, drawn = f"{prefix}{self.user.index:07x}", f"{self.ids.getrandbits(44):011x}"
        return made if is_plain_id(made := owner + drawn) else f"{owner}{drawn[0]}f{drawn[2:]}"

    def log(self, kind: str, at: float, thread: Thread | None, payload: Row, **fields: str) -> str:
        """Write an event and return its id."""
        event_id = self.new_id("e")
        user = self.user
        event: Row = {
            "event_id": event_id,
            "event_ts": at,
            "event_type": kind,
            "source": user.source,
            "surface": user.surface,
            "user_id": user.user_id,
            "locale": user.locale,
            **fields,
            "payload": payload,
        }
        if thread is not None:
            event["conversation_id"] = thread.conversation_id
            if thread.character_index >= 0:
                event["character_id"] = self.world.characters[thread.character_index].character_id
        self.trace.events.append(event)
        return event_id

    def live(self) -> Conversation:
        """The whole stay of the user, as contexts to be answered."""
        settings = self.world.settings
        behaviour = settings.behaviour
        thread: Thread | None = None
        for day in range(settings.days):
            luck = Random(mix(settings.seed, 6, self.user.index, day))
            chance = sigmoid(behaviour.return_base + behaviour.return_slope * self.met + self.user.effect)
            active = luck.random() < chance
            at = self.start + day * DAY + (6.0 + 14.0 * luck.random()) * 3600.0
            if not active:
                continue
            more = [luck.random() for _ in range(3)]
            sessions = (
                3 if self.user.is_bot else 1 + sum(1 for u in more[:2] if u < behaviour.second_session_rate)
            )
            for number in range(sessions):
                session = Session(self, day, number, at, thread)
                yield from session.run()
                thread = session.thread
                at = session.now + SILENCE * 1.5 + 5400.0 * luck.random()
                if at > self.start + (day + 1) * DAY - 3600.0:
                    break


class Session:
    """One sitting: a new conversation, or an earlier one taken up again."""

    def __init__(self, product: Product, day: int, number: int, at: float, earlier: Thread | None) -> None:
        self.product = product
        self.world = product.world
        self.user = product.user
        self.settings = product.world.settings
        seed, index = self.settings.seed, self.user.index
        self.luck = Random(mix(seed, 7, index, day, number))
        self.words = Random(mix(seed, 8, index, day, number))
        self.planting = Random(mix(seed, 9, index, day, number))
        self.answer_seed = mix(seed, 10, index, day, number)
        self.day = day
        self.now = at
        self.end_of_day = product.start + (day + 1) * DAY - 60.0
        self.version = product.version_of(day)
        self.family: Member | None = None
        self.resumed = False
        self.thread = self._open(earlier)
        index = self.thread.character_index
        self.character: Character | None = self.world.characters[index] if index >= 0 else None
        self.planter = MessagePlanter(
            self.settings.planted, self.user.language, self.thread.topic, self.planting
        )
        self.reactor = Reactor(self.settings.biases, self.settings.reactions)
        self.mood = 0.0
        self.turn = 0

    def _open(self, earlier: Thread | None) -> Thread:
        """Choose whom to talk to. Draws are the same in number whatever is chosen."""
        behaviour, planted = self.settings.behaviour, self.settings.planted
        resume, kind, burst, whom, which = (self.luck.random() for _ in range(5))
        self.greeting = self.luck.random() < behaviour.greeting_rate
        in_family = self.planting.random() < planted.near_duplicates
        if earlier is not None and resume < behaviour.resume_rate:
            self.greeting = False
            self.resumed = True
            return earlier
        conversation_id = self.product.new_id("c")
        if self.day in self.world.bursts and burst < planted.burst_share:
            index = self.world.bursts[self.day]
        elif in_family and self.user.source == "user" and not self.user.is_bot:
            self.family = member(self.world, self.user.language, self.planting)
            self.greeting = False
            index = self.family.character_index
        elif kind < behaviour.no_character_rate:
            self.greeting = False
            return Thread(conversation_id, -1, topics()[int(which * len(topics()))])
        elif whom < 0.5:
            index = self.user.favourites[int(which * len(self.user.favourites))]
        else:
            index = self.world.popular(which)
        return Thread(conversation_id, index, self.world.characters[index].topic)

    def run(self) -> Conversation:
        """Turns until the user leaves."""
        behaviour = self.settings.behaviour
        if self.greeting:
            yield from self._answer(None, 0.5, closing=False)
            self.now += 5.0 + 40.0 * self.luck.random()
        limit = 30 if self.user.is_bot else behaviour.max_turns_per_session
        farewell = False
        while self.turn < limit and self.now < self.end_of_day:
            draws = [self.luck.random() for _ in range(TURN_DRAWS)]
            opinions = [self.luck.random() for _ in range(DRAWS)]
            sent = self._write(draws, farewell)
            self.turn += 1
            if draws[0] < behaviour.unanswered_rate and not farewell:
                self.now += 20.0 + 60.0 * draws[1]
                if draws[2] < 0.5:
                    break
                continue
            seen = yield from self._answer(sent, draws[3], closing=farewell)
            stays, pause = self._decide(seen.engagingness, draws)
            says_goodbye = (
                not stays and not farewell and draws[7] < self.settings.biases.ending_flattery * 0.4
            )
            last = farewell or not (stays or says_goodbye) or self.turn >= limit
            self._react(seen, opinions, last)
            if last:
                break
            farewell = says_goodbye
            self.now = seen.served + pause

    def _decide(self, engagingness: float, draws: list[float]) -> tuple[bool, float]:
        """Whether the user goes on, and after how many seconds: most within the window, a few after it."""
        behaviour = self.settings.behaviour
        window = behaviour.continue_within_minutes * 60.0
        pause = min(window - 5.0, 4.0 + 35.0 * math.exp(2.0 * (draws[5] - 0.5) + draws[6] * draws[6]))
        if self.user.is_bot:
            return True, 5.0
        logit = behaviour.continue_base + behaviour.continue_slope * engagingness + self.user.effect
        if draws[4] < sigmoid(logit):
            return True, pause
        if draws[8] < behaviour.late_reply_rate:
            return True, max(window + 60.0, 60.0 * (11.0 + 17.0 * draws[9]))
        return False, pause

    def _write(self, draws: list[float], farewell: bool) -> Plant:
        """Send the user's message, sometimes in two parts, and its gold."""
        user, lexicon = self.user, grammar(self.user.language)
        planted = self.planter.next() if not (farewell or user.is_bot) else None
        text = user_message(user.speaker, self.thread.topic, self.words, opening=self.turn == 0)
        if user.is_bot:
            text = f"{lexicon.tails[0]} {self.turn % 3}"
        elif farewell:
            text = lexicon.tails[1]
        elif self.turn > 0 and 0.0 < self.settings.behaviour.voiced_mood > self.words.random():
            text = f"{pick(self.words, lexicon.moods['good' if self.mood > 0.0 else 'bad'])} {text}"
        sent = planted or Plant(text)
        if self.family is not None and self.turn == 0:
            family = self.family
            row = {
                "family_id": family.family_id,
                "kind": family.kind,
                "step": family.step,
                "language": user.language,
            }
            sent = Plant(family.text, "near_duplicates", row)
        event_id = self._message(sent.text)
        if sent.table:
            self.product.trace.gold.add(
                sent.table,
                event_id=event_id,
                conversation_id=self.thread.conversation_id,
                where="user_message",
                **sent.row,
            )
        elif draws[9] < self.settings.behaviour.consecutive_message_rate and not farewell and not user.is_bot:
            self.now += 2.0 + 10.0 * draws[1]
            self._message(lexicon.short[int(draws[2] * len(lexicon.short))])
        return sent

    def _message(self, text: str) -> str:
        by_day = self.product.trace.messages_by_day
        by_day[self.day] = by_day.get(self.day, 0) + 1
        self.thread.say(Message("user", text))
        return self.product.log("message", self.now, self.thread, {"text": text})

    def _answer(self, sent: Plant | None, place: float, closing: bool) -> Generator[Request, str, Seen]:
        """Ask for a response and serve it; a dull one may be rejected and asked for again, once."""
        seen = yield from self._serve(sent, 0, closing, self.now + 1.0 + 6.0 * place)
        behaviour = self.settings.behaviour
        logit = behaviour.regenerate_base + behaviour.regenerate_slope * (1.0 - 2.0 * seen.engagingness)
        regenerate = self.planting.random() < sigmoid(logit)
        if regenerate and sent is not None and not closing and not self.user.is_bot:
            del self.thread.messages[-1]
            at = seen.served + 3.0 + 8.0 * place
            self.product.log("regenerate", at, self.thread, {}, turn_id=seen.turn_id)
            seen = yield from self._serve(sent, 1, closing, at + 1.0 + 6.0 * place)
        return seen

    def _serve(
        self, sent: Plant | None, attempt: int, closing: bool, at: float
    ) -> Generator[Request, str, Seen]:
        thread, user, product = self.thread, self.user, self.product
        context = Context(
            messages=thread.messages,
            character=self.character,
            language=user.language,
            topic=thread.topic,
            seed=mix(self.answer_seed, self.turn, attempt),
            closing=closing and self.settings.biases.ending_flattery > 0,
        )
        answer = yield self.version, context
        served = plant_in_response(answer, sent, self.settings.planted, user.language, self.planting)
        message = Message("assistant", served.text)
        score = self.world.truth(thread.messages, message, self.character)
        flattery = count_phrases("flattery", message.features) > 0
        turn_id = product.new_id("t")
        event_id = product.log(
            "response", at, thread, {"text": served.text}, turn_id=turn_id, model_version=self.version
        )
        gold = product.trace.gold
        gold.add(
            "turns",
            turn_id=turn_id,
            conversation_id=thread.conversation_id,
            user_id=user.user_id,
            model_version=self.version,
            source=user.source,
            language=user.language,
            topic=thread.topic,
            day=self.day,
            turn_in_session=self.turn,
            engagingness=round(score, 6),
            flattery=flattery,
            attempt=attempt,
        )
        if served.table:
            gold.add(
                served.table,
                event_id=event_id,
                turn_id=turn_id,
                conversation_id=thread.conversation_id,
                where="response",
                **served.row,
            )
        product.trace.turns += 1
        thread.say(message)
        self.now = at
        return Seen(
            turn_id=turn_id,
            served=at,
            engagingness=score,
            flattery=flattery,
            words=len(message.features.words),
            topic_shift=self.world.topic_shift[thread.topic],
            mood=self.mood,
            is_last=False,
            language=user.language,
        )

    def _react(self, seen: Seen, opinions: list[float], last: bool) -> None:
        """Log reactions and let the response change the mood and what the user expects of the product."""
        felt = Seen(**{**seen.__dict__, "is_last": last})
        if not self.user.is_bot:
            for reaction in self.reactor.react(felt, opinions, self.words):
                self._log_reaction(reaction)
        self.mood += 0.5 * (seen.engagingness - 0.5 - self.mood)
        self.product.met += 0.15 * (seen.engagingness - self.product.met)

    def _log_reaction(self, reaction: Reaction) -> None:
        if reaction.kind == "feedback":
            kind, payload = "feedback", {"text": reaction.text}
        else:
            kind, payload = "reaction", {"reaction": reaction.kind}
        event_id = self.product.log(kind, reaction.at, self.thread, payload, turn_id=reaction.turn_id)
        if reaction.removed:
            self.product.log(
                kind, reaction.at + 15.0, self.thread, {**payload, "removed": True}, turn_id=reaction.turn_id
            )
        self.product.trace.gold.add(
            "reactions",
            event_id=event_id,
            turn_id=reaction.turn_id,
            caused_by_turn_id=reaction.caused_by,
            kind=reaction.kind,
            removed=reaction.removed,
        )
