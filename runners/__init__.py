"""Everything of the testbed that runs without a terminal UI."""

import os

# Nothing here multiplies matrices. The threads that numpy starts for it cost a sixth of the generator's start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# pydantic looks through every installed distribution for plugins: a tenth of the start, and nobody else is to change how a
# user's file is read.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
