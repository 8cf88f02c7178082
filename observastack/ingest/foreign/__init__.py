"""Other systems' write formats (Loki push, Prometheus remote write) as OTLP, so that one set of decoders and checks does.

Imported when the first such request comes, or when such a store is configured: most gateways never need them.
"""
