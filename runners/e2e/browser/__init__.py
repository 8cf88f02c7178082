"""Journeys through the pages, in the machine's own Chromium."""
