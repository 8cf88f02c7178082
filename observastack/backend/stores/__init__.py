"""Where the signals lie: one port per signal (`ports`), and an adapter of it for each kind of store."""
