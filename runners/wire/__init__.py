"""From items to bytes, and from bytes to a platform: encoders, sinks, delivery with outcomes."""
