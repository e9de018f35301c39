"""The replay of Table 10 as a page."""
