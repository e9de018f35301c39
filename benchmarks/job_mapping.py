"""Which job to be done an intent of clinc150 or banking77 is, decided by the intents' names alone.

Both sets are requests to assistants, so most of what they hold is `planning_task`: what is not listed here. By domain
of clinc150 that is banking, credit_cards, home, work and the commands of meta; auto_and_commute, kitchen_and_dining,
travel and utility are split between it, `information` and `advice`; small_talk is itself but for jokes and facts.
"Yes", "no" and "maybe" say too little to tell: `other`. Out-of-scope queries of clinc150 have no job of record, so they
are counted, not scored.

banking77 has one topic, one's own card and account. A question on the rules, fees, limits and methods of the bank is
`information`, anything on a matter of one's own is `planning_task`; a reader may well disagree on single intents.
"""

from __future__ import annotations

_CLINC150 = {
    "small_talk": """
        who_made_you meaning_of_life who_do_you_work_for do_you_have_pets what_are_your_hobbies what_is_your_name
        where_are_you_from goodbye thank_you greeting are_you_a_bot how_old_are_you what_can_i_ask_you""",
    "entertainment": "fun_fact tell_joke flip_coin roll_dice",
    "other": "yes no maybe",
    "advice": "travel_suggestion meal_suggestion restaurant_suggestion improve_credit_score",
    "information": """
        definition spelling calories nutrition_info food_last ingredients_list cook_time recipe ingredient_substitution
        oil_change_how tire_change jump_start gas_type distance traffic weather date time timezone exchange_rate
        plug_type travel_alert vaccines international_visa carry_on how_busy restaurant_reviews next_holiday what_song
        directions accept_reservations international_fees rollover_401k current_location""",
}
_BANKING77 = {
    "information": """
        age_limit apple_pay_or_google_pay atm_support automatic_top_up card_acceptance card_delivery_estimate
        country_support disposable_card_limits exchange_charge exchange_rate exchange_via_app fiat_currency_support
        getting_spare_card getting_virtual_card get_disposable_virtual_card get_physical_card order_physical_card
        receiving_money supported_cards_and_currencies top_up_by_bank_transfer_charge top_up_by_card_charge
        top_up_by_cash_or_cheque top_up_limits topping_up_by_card transfer_into_account transfer_timing
        verify_source_of_funds visa_or_mastercard why_verify_identity""",
}
TASK = "planning_task"


def clinc150_job(intent: str) -> str:
    """The job of an intent of clinc150."""
    return _job(intent, _CLINC150)


def banking77_job(intent: str) -> str:
    """The job of an intent of banking77."""
    return _job(intent, _BANKING77)


def _job(intent: str, jobs: dict[str, str]) -> str:
    return next((job for job, intents in jobs.items() if intent in intents.split()), TASK)
