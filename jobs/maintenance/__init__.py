"""Maintenance: what keeps every table healthy, and where what was made came from. No Spark job among them."""
