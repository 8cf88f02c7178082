"""Widgets that paint line by line; the chrome that is on every screen."""
