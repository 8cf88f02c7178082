"""What the adapters of real stores share: an HTTP client per store, walks in time slices, filters evaluated here."""
