"""Checking passwords off the event loop, in the same time whether or not the user exists."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import Future, ThreadPoolExecutor

from observastack import defects
from observastack.store.passwords import hash_password, verify_password


class Passwords:
    """Verifies on its own threads: argon2 releases the interpreter lock, but takes a core for the whole time."""

    def __init__(self, threads: int = 2) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        # Same parameters as every stored hash; made in the background, for it costs as much as a login.
        self._nobody: Future[str] = self._executor.submit(hash_password, secrets.token_urlsafe(16))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password fits. stored: PHC string, None for an unknown user (the same work, then false)."""
        loop = asyncio.get_running_loop()
        against = stored if stored is not None else await asyncio.wrap_future(self._nobody)
        fits = await loop.run_in_executor(self._executor, verify_password, against, password)
        if not fits and defects.active("password_case_insensitive"):
            fits = await loop.run_in_executor(self._executor, verify_password, against, password.swapcase())
        return fits and stored is not None

    async def hashed(self, password: str) -> str:
        """The argon2id hash as a PHC string."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, hash_password, password)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
