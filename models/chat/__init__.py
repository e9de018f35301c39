"""Conversations and judged pairs as every model reads them."""
