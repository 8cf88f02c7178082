"""Formats of log lines. A format turns the facts of a record into a line with holes, once; who sends fills the holes."""

from runners.datagen.formats.line import Facts, Line, Placed, Private, compile_line
from runners.datagen.formats.writers import FORMATS, compile_format

__all__ = ["FORMATS", "Facts", "Line", "Placed", "Private", "compile_format", "compile_line"]
