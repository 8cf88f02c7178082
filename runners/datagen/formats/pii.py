"""Fields that look personal and are nobody's, marked where they stand, so that masking can be tested.

Card numbers fail the Luhn check on purpose (ISO/IEC 7812-1): they can never be a card's, and a masker that asks for the
check sum is found out. Addresses are of the example domains (RFC 2606), telephone numbers of the ranges kept for fiction.
"""

from __future__ import annotations

from typing import Literal

from runners.datagen.formats.pools import FIRST_NAMES, LAST_NAMES, MAIL_DOMAINS, number, pick

Personal = Literal["email", "card", "phone"]
KINDS: tuple[Personal, ...] = ("email", "card", "phone")
_OPEN, CLOSE = 0xF000, "\uf00f"


def opened(character: str) -> Personal | None:
    """The kind of field that this character opens; None for ordinary text."""
    index = ord(character) - _OPEN
    return KINDS[index] if 0 <= index < len(KINDS) else None


def personal(kind: Personal, *of: str | int) -> str:
    """A field of this kind between its marks; a function of what follows."""
    value = {"email": _email, "card": _card, "phone": _phone}[kind](*of)
    return f"{chr(_OPEN + KINDS.index(kind))}{value}{CLOSE}"


def luhn(digits: str) -> bool:
    """Does the check digit fit?"""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def _email(*of: str | int) -> str:
    first, last = pick(FIRST_NAMES, "first", *of), pick(LAST_NAMES, "last", *of)
    return f"{first}.{last}{number(1, 99, 'mail', *of)}@{pick(MAIL_DOMAINS, 'domain', *of)}"


def _card(*of: str | int) -> str:
    start = f"{pick(('4', '51', '52', '37'), 'issuer', *of)}{number(10**14, 10**15 - 1, 'card', *of)}"[:15]
    wrong = next(digit for digit in "0123456789" if not luhn(start + digit))
    return start + wrong


def _phone(*of: str | int) -> str:
    if number(0, 1, "country", *of):
        return f"+1-202-555-01{number(0, 99, 'phone', *of):02d}"  # NANP: 555-0100 to 0199
    return f"+44 20 7946 0{number(0, 999, 'phone', *of):03d}"  # Ofcom: numbers for drama
