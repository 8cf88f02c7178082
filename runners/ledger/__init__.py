"""Ground truth: which items a run sent, in which requests, and what the platform answered to each of them."""
