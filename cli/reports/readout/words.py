"""The texts of the readout page: lifts with intervals, verdicts, statuses, and the sentence at its top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.reports.figures import listed, signed

Row = Mapping[str, Any]

METRICS = {
    "breadth": "Breadth",
    "depth": "Depth",
    "share_engaged": "Share engaged",
    "mean_exposed": "Messages per exposed user",
}
METHODS = {
    "plain": "Plain",
    "winsorised": "Winsorised",
    "cuped": "CUPED",
    "always_valid": "Always-valid",
}
VERDICTS = {
    "positive": "▲ better",
    "negative": "▼ worse",
    "inconclusive": "● no difference shown",
    "not_final": "… not yet",
    "blocked": "✗ no verdict",
    "exploratory": "exploratory",
    "undetermined": "undetermined",
}
STATUSES = {
    "ok": "",
    "no_users": "an arm has no users",
    "none_engaged": "no user of an arm engaged",
    "insufficient": "an arm has fewer than two users",
    "no_variance": "all users of an arm have the same value",
    "no_covariate": "there is no data from before exposure",
    "no_bound": "there is no bound for winsorising",
    "not_finite": "a number is not finite",
}
MEANINGS = {
    "breadth": "Share of the window's days on which a user sent a message after first exposure, averaged over all "
    "exposed users (equations 9 to 11). It is not the share of users who ever engaged.",
    "depth": "Messages that a user sent in the window after first exposure, averaged over users who sent any "
    "(equations 12 and 13). The arm may change who is engaged, so compare it with messages per exposed user.",
    "share_engaged": "Share of exposed users who sent at least one message in the window after first exposure.",
    "mean_exposed": "Messages that a user sent in the window after first exposure, averaged over all exposed users, "
    "also those who sent none.",
}
METHOD_MEANINGS = {
    "plain": "Means and variances over users (not over user-days), with Fieller's interval. It gives its verdict on "
    "the last day of the window.",
    "winsorised": "Like plain, but messages per user are cut at one upper bound for all arms. It reduces noise "
    "from a few very active users and adds a small bias.",
    "cuped": "Like plain, but adjusted for each user's activity before exposure. It estimates the same lift, with less "
    "noise where past activity predicts the window.",
    "always_valid": "A wider interval that stays valid when you look every day. Use it to decide before the last day.",
}
VERDICT_MEANINGS = {
    "positive": "The test arm's mean is higher, and the p-value, corrected by Holm over the primary metrics, is at "
    "most 0.05.",
    "negative": "The test arm's mean is lower, and the corrected p-value is at most 0.05.",
    "inconclusive": "Chance alone can explain the lift. This does not prove that there is no difference.",
    "not_final": "The window is not over. This method gives its verdict on the last day.",
    "blocked": "The sample-ratio test failed: the arms may have different kinds of users, so their lifts "
    "cannot be compared.",
    "exploratory": "The metric was not declared as primary: it gets an interval but no verdict.",
    "undetermined": "There is no interval. The table says why.",
}
KIND_MEANINGS = {
    "bounded": "All lifts between two ends. They need not be as far from the lift.",
    "complement": "The control's mean is close to zero: very low and very high lifts are both possible. Only lifts "
    "between the two ends are ruled out.",
    "half_line": "The interval has one end only.",
    "whole_line": "The data do not rule out any lift.",
    "undefined": "A number is missing or does not vary, so there is no interval.",
}
BLIND_SPOTS = {
    "Interference": "Users of different arms may influence each other. The intervals assume that they do not.",
    "Novelty": "A week shows the first reaction to something new, not its lasting effect. A lift that falls day by day "
    "is a sign of this.",
    "Late exposure": "Every user exposed within the window counts for the whole window. Days before exposure count as "
    "days without a message, so users exposed late have little weight in breadth. This is the same in all arms.",
    "Other metrics": "This page has no safety, refusal or cost metrics.",
}
_NAMED = 4


@dataclass(frozen=True)
class Headline:
    """What the page says first.

    Attributes:
        tone: better, worse, mixed, open (no difference shown), waiting, refused.
        verdict: one sentence.
        more: what qualifies it, a sentence each.
    """

    tone: str
    verdict: str
    more: tuple[str, ...] = ()


def _decimals(row: Row) -> int:
    """Digits that a lift is worth: of an interval two wide the second one says something, of one 200 wide none."""
    bounded = row["interval_kind"] == "bounded"
    width = row["high_pct"] - row["low_pct"] if bounded else abs(row["lift_pct"] or 0.0)
    return 2 if bounded and width < 2 else 1 if width < 200 else 0


def interval(row: Row) -> str:
    """The set of lifts of a row of `experiments.readouts`: `low to high`, else in words."""

    def told(name: str) -> str:
        return signed(row[name], _decimals(row))

    match row["interval_kind"]:
        case "bounded":
            return f"{told('low_pct')} to {told('high_pct')}"
        case "complement":
            return f"{told('gap_low_pct')} % or less, or {told('gap_high_pct')} % or more"
        case "half_line" if row["low_pct"] is not None:
            return f"{told('low_pct')} % or more"
        case "half_line":
            return f"{told('high_pct')} % or less"
        case "whole_line":
            return "any lift is possible"
    return STATUSES.get(row["status"], "") or "no interval"


def value(row: Row) -> str:
    """The lift without its interval: `−3.6 %`; empty where there is none."""
    return f"{signed(row['lift_pct'], _decimals(row))} %" if has_lift(row) else ""


def lift(row: Row) -> str:
    """The lift with its interval, in one line: `−3.6 % (−14.3 to +8.4)`."""
    return f"{value(row)} ({interval(row)})" if has_lift(row) else interval(row)


def has_lift(row: Row) -> bool:
    """Whether the row has a lift at all."""
    return row["status"] == "ok" and row["lift_pct"] is not None


def probability(p: float | None) -> str:
    """A p-value with its significant digits."""
    if p is None:
        return "–"
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"


def means(row: Row) -> str:
    """The means of control and test, of a row that has them, in the metric's unit."""
    factor, unit = {"breadth": (100, "% of days"), "share_engaged": (100, "% of users")}.get(
        row["metric"], (1, "messages")
    )
    return f"{factor * row['estimate_control']:,.2f} → {factor * row['estimate_test']:,.2f} {unit}"


def headline(rows: Sequence[Row], days: int, alarms: Sequence[str] = ()) -> Headline:
    """The verdict on an experiment.

    Args:
        rows: of `experiments.readouts` on the day shown, primary metrics over the whole population, by
            the methods plain and always_valid.
        days: of the window.
        alarms: names of the sample-ratio tests that failed.
    """
    family = [row for row in rows if row["method"] == "plain"]
    if not family:
        return Headline("waiting", "There are no results yet.")
    if any(row["verdict"] == "blocked" for row in family):
        return Headline(
            "refused",
            "No verdict: the arms do not have the declared sizes.",
            (
                f"The sample-ratio test failed for {listed(alarms)}." if alarms else "The sample-ratio test failed.",
                "Until the cause is known, do not use the lifts below: the arms may have different kinds of users.",
            ),
        )  # fmt: skip
    if any(row["verdict"] == "not_final" for row in family):
        return _waiting(rows, int(family[0]["k"]), days)
    arms = list(dict.fromkeys(row["arm"] for row in family))
    of_arm = {arm: [row for row in family if row["arm"] == arm] for arm in arms}
    return _one_arm(of_arm[arms[0]]) if len(arms) == 1 else _several_arms(of_arm)


def _waiting(rows: Sequence[Row], day: int, days: int) -> Headline:
    conclusive = [
        f"{METRICS[row['metric']].lower()} of {row['arm']} {'above' if row['verdict'] == 'positive' else 'below'} "
        f"{row['control_arm']}"
        for row in rows
        if row["method"] == "always_valid" and row["verdict"] in ("positive", "negative")
    ]
    early = (
        f"The always-valid interval, which you can check every day, already shows {listed(conclusive)}."
        if conclusive
        else "The always-valid interval, which you can check every day, shows no difference yet."
    )
    return Headline("waiting", f"No verdict yet: day {day} of {days}.", (early,))


def _one_arm(rows: Sequence[Row]) -> Headline:
    arm, control = rows[0]["arm"], rows[0]["control_arm"]
    better, worse, same, unknown = (
        [row for row in rows if row["verdict"] == verdict]
        for verdict in ("positive", "negative", "inconclusive", "undetermined")
    )
    more = [f"No verdict on {_metric_name(row)}: {STATUSES[row['status']]}." for row in unknown]
    if better and worse:
        return Headline(
            "mixed",
            f"{arm} is better than {control} in one metric and worse in another: {_lifts_text([*better, *worse])}.",
            (*_no_difference(same), *more),
        )  # fmt: skip
    if better or worse:
        verb = "better" if better else "worse"
        return Headline(
            verb,
            f"{arm} is {verb} than {control}: {_lifts_text(better or worse)}.",
            (*_no_difference(same), *more),
        )
    if same:
        return Headline(
            "open",
            f"No difference shown between {arm} and {control}: {_lifts_text(same)}.",
            ("Chance alone can explain these lifts. This does not prove that there is no difference.", *more),
        )
    return Headline("waiting", f"No verdict on {arm} can be given.", tuple(more))


def _several_arms(of_arm: Mapping[str, Sequence[Row]]) -> Headline:
    groups: dict[str, list[str]] = {}
    for arm, rows in of_arm.items():
        groups.setdefault(_one_arm(rows).tone, []).append(arm)
    control = next(iter(of_arm.values()))[0]["control_arm"]
    phrases = {
        "better": "{} better", "worse": "{} worse", "mixed": "{} better in one metric and worse in another",
        "open": "{} with no difference shown", "waiting": "{} without a verdict",
    }  # fmt: skip
    parts = []
    for tone, words in phrases.items():
        if arms := groups.get(tone):
            names = f" ({listed(arms)})" if tone != "open" else ""
            parts.append(words.format(len(arms)) + names)
    tone = next((name for name in ("mixed", "better", "worse", "open") if name in groups), "waiting")
    if "better" in groups and "worse" in groups:
        tone = "mixed"
    best = [
        f"{METRICS[row['metric']]} of {arm}: {lift(row)}."
        for arm in (*groups.get("better", ()), *groups.get("mixed", ()), *groups.get("worse", ()))[:_NAMED]
        for row in of_arm[arm]
        if row["verdict"] in ("positive", "negative")
    ]  # fmt: skip
    return Headline(tone, f"Of {len(of_arm)} arms compared with {control}: {listed(parts)}.", tuple(best))


def _no_difference(rows: Sequence[Row]) -> tuple[str, ...]:
    return (f"No difference shown: {_lifts_text(rows)}.",) if rows else ()


def _lifts_text(rows: Sequence[Row]) -> str:
    return listed([f"{_metric_name(row)} {lift(row)}" for row in rows])


def _metric_name(row: Row) -> str:
    return METRICS[row["metric"]].lower()
