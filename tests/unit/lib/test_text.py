"""Text from outside is safe to show."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from runners.lib.text import did_you_mean, nearest, one_line, plain

NASTY = st.text(st.characters() | st.sampled_from("\x1b\x9b[]PX^_\x07\\0123;mHJK\u202e\u2066ab"), max_size=60)


@given(NASTY)
def test_nothing_that_steers_a_terminal_is_left(text):
    shown = plain(text)
    assert not any(unicodedata.category(letter) == "Cc" and letter not in "\t\n" for letter in shown)
    assert not set(shown) & set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert plain(shown) == shown


@given(NASTY, st.integers(1, 40))
def test_one_line_is_one_line_of_at_most_that_width(text, width):
    line = one_line(text, width)
    assert len(line) <= width and not set(line) & set("\n\r\t\x0b\x0c")


def test_sequences_go_whole_and_letters_stay():
    assert plain("a\x1b[31mred\x1b[0m b\x1b]0;title\x07c\x1bPq\x1b\\d\ttab\nnew") == "ared bcd\ttab\nnew"
    assert plain("Grüße 日本 🙂") == "Grüße 日本 🙂"
    assert one_line("a  b\n\n c") == "a b c"
    assert one_line("abcdef", 4) == "abc…"


@given(st.text(max_size=10), st.lists(st.text(max_size=10), max_size=5))
def test_the_nearest_name_is_one_of_them(name, known):
    found = nearest(name, known)
    assert found is None or found in known


def test_a_remedy_names_the_nearest_or_all():
    assert did_you_mean("duraton", ["duration", "seed"]) == "did you mean 'duration'?"
    assert did_you_mean("zzz", ["seed", "duration"]) == "valid: duration, seed"
