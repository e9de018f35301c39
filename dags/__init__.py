"""Airflow: when each stage runs and what it waits for. No logic, no Spark import."""
