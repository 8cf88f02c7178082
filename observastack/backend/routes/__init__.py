"""The HTTP surface: each module is one area of the API; routes translate, services work."""
