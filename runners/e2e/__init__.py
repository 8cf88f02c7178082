"""End-to-end journeys: what a user of the platform does, judged by what the platform answers or shows."""
