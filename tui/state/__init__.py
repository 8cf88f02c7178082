"""View models: pure reducers from what the gateway tells to what a screen shows."""
