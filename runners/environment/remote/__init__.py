"""An environment on another host: provisioned by the same roles over SSH, looked at over SSH, known here by a copy of its
state.json. Where it lies on the host, and how the host is reached, stands in that copy under `remote`."""
