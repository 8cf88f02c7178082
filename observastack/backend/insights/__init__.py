"""Insights: what services use, what their telemetry costs, what is unusual. All of it is computed from what is stored;
where nothing is stored the answer is null, never a guess.
"""
