"""The one stream of requests (`requests`) and its projections: `spans`, `logs`, `metrics`."""
