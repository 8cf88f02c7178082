"""The web server: the built frontend, and the way to the backend behind the same origin."""
