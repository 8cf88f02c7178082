"""One module per mode, and the overlays."""
