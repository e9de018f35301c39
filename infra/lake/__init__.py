"""The tables of one product: where they lie, who writes them, what ran (`ledger`), and how they are read with SQL."""

from __future__ import annotations

from infra.lake.places import Lake

__all__ = ["Lake"]
