"""OTLP/HTTP write gateway: acknowledged means committed."""
