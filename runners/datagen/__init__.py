"""Synthetic telemetry: one simulated stream of requests, projected to spans, log records and metric samples."""

import os

# Nothing here multiplies matrices. The threads that numpy starts for it cost a sixth of the generator's start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
