"""How realistic generated telemetry is: measured from what the generator writes, drawn, and held to stated ranges."""
