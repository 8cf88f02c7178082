"""Request bodies: bounded decompression."""

from __future__ import annotations

import mmap
from typing import Any, cast

from isal import isal_zlib

from observastack.ingest.otlp import BadRequest, TooLarge

_GZIP = 31  # window bits: 15 and a gzip header
MAX_MEMBERS = 256
"""Of one body: what follows a member is copied for each, so that a megabyte of empty ones would take seconds."""
_MOST = 1 << 30
"""Bytes that are set apart for a body at most, whatever the limit."""
_GzipError: type[Exception] = cast(Any, isal_zlib.error)  # its stub declares an instance


def gunzip(body: bytes, limit: int) -> bytes:
    """The inflated body. Never inflates beyond `limit` bytes, so a zip bomb costs nothing. Raises BadRequest, TooLarge."""
    inflated: list[bytes] = []
    size, rest = 0, body
    try:
        while rest:  # a gzip stream may have several members
            if len(inflated) == MAX_MEMBERS:
                raise BadRequest(f"the gzip body has more than {MAX_MEMBERS} members")
            member = isal_zlib.decompressobj(_GZIP)
            inflated.append(member.decompress(rest, limit - size + 1))
            size += len(inflated[-1])
            if size > limit:
                raise TooLarge(f"the body inflates to more than {limit} bytes")
            if not member.eof:
                raise BadRequest("the gzip body is cut off")
            rest = member.unused_data
    except _GzipError as error:
        raise BadRequest(f"not a gzip body: {error}") from error
    if not body:
        raise BadRequest("the gzip body is empty")
    return b"".join(inflated)


def unzstd(body: bytes, limit: int) -> bytes:
    """As `gunzip`, of Zstandard (RFC 8878). The room is set apart without being touched: what is not inflated costs nothing."""
    import cramjam  # few requests are: it is not loaded for the others

    with mmap.mmap(-1, min(limit, _MOST) + 1) as room:
        try:
            size = cramjam.zstd.decompress_into(body, room)
        except cramjam.DecompressionError as error:
            if "whole buffer" in str(error):
                raise TooLarge(f"the body inflates to more than {limit} bytes") from error
            raise BadRequest(f"not a zstd body: {error}") from error
        if size > limit:
            raise TooLarge(f"the body inflates to more than {limit} bytes")
        return room[:size]
