"""Reference ObservaStack: a small, complete multi-tenant observability platform, the system under test."""
