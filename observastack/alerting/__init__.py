"""Configuration for a real Prometheus that evaluates the platform's alert rules, and for an Alertmanager that delivers
each tenant's alerts to the webhook with that tenant's token."""
