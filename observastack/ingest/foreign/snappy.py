"""Snappy blocks (not framed), as Loki push and remote write send them: bounded decompression.

Format: google/snappy format_description.txt; the block begins with the inflated size as a varint.
"""

from __future__ import annotations

import cramjam

from observastack.ingest.otlp import BadRequest, TooLarge


def inflate(body: bytes, limit: int) -> bytes:
    """Never more than `limit` bytes: the size is looked at before anything is inflated. Raises BadRequest, TooLarge."""
    size = _declared(body)
    if size > limit:
        raise TooLarge(f"the body inflates to more than {limit} bytes")
    try:
        inflated = bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise BadRequest("not a snappy block") from error
    if len(inflated) != size:
        raise BadRequest("not a snappy block")
    return inflated


def deflate(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))


def _declared(body: bytes) -> int:
    size = 0
    for at, byte in enumerate(body[:5]):
        size |= (byte & 127) << (7 * at)
        if byte < 128:
            return size
    raise BadRequest("not a snappy block")
