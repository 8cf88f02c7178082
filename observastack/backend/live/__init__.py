"""The live stream: what arrives at a tenant, pushed over a WebSocket, without gaps or repeats across reconnects."""
