"""HTML pages: what each page shows is in its own package, what all share is here."""
