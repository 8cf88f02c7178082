"""Alerts: taken in from Alertmanager, acted on by people, silenced for a time; and every step of it remembered."""
