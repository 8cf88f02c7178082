"""The platform's own PostgreSQL as the store of all three signals."""
