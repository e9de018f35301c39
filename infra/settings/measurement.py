"""What users did, and experiments on them (sections 2.3.2 and 2.5.2)."""

from __future__ import annotations

from pydantic import Field

from infra.settings.section import Section


class SignalsSettings(Section):
    """What users did with a response, and until when one waits before saying that they did not (section 2.3.2)."""

    continue_minutes: int = Field(
        10, ge=1, description="Window of p(continue): minutes until the user's next message (Table 2)."
    )
    reaction_minutes: int = Field(
        120, ge=1, description="Minutes after a response in which reactions, feedback and regeneration count."
    )
    late_margin_minutes: int = Field(
        60, ge=0, description="How late an event may arrive. After that, a missing event counts as false."
    )

    @property
    def lookahead_days(self) -> int:
        """Days after a response that must have landed before all its labels are known."""
        longest = max(self.continue_minutes, self.reaction_minutes) + self.late_margin_minutes
        return -(-longest // 1440)


class ExperimentsSettings(Section):
    """How experiments are read out (section 2.5.2, appendix B). What one experiment chooses is in its definition."""

    pre_period_days: int = Field(
        7, ge=1, description="Days before first exposure that CUPED, the bot rule and tenure use."
    )
    max_window_days: int = Field(
        28,
        ge=1,
        le=62,
        description=(
            "Longest window that you can declare. The paper uses 7 (section 2.5.2). The maximum is 62: a "
            "user's days are bits of one number."
        ),
    )
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="Confidence level of intervals: z = 1.96 (equation 17)."
    )
    users_on_driver: int = Field(
        5_000_000,
        ge=0,
        description=(
            "DuckDB computes totals and readouts on the driver when no day has more users than this (on a "
            "cluster: all days of the run together). Spark computes larger ones. The numbers are the same. "
            "0: always Spark."
        ),
    )
    sample_ratio_alpha: float = Field(
        0.001, gt=0, lt=0.5, description="p-value of the sample-ratio test below which no verdict is given."
    )
