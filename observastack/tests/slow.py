"""A server that gives time to go away at any moment of its answers."""

from __future__ import annotations

import asyncio
import random


async def serve_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each question of a connection slowly and in pieces: `okokok`. For asyncio.start_server."""
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(random.uniform(0, 0.02))
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(3):
                await asyncio.sleep(random.uniform(0, 0.01))
                writer.write(b"2\r\nok\r\n")
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        writer.close()
