"""OTLP export requests (protobuf and JSON) to rows of the signal store. Pure: bytes in, a Batch out."""

from observastack.ingest.otlp.batch import BadRequest, Batch, Dictionary, Further, TooLarge
from observastack.ingest.otlp.decode import decode

__all__ = ["BadRequest", "Batch", "Dictionary", "Further", "TooLarge", "decode"]
