"""Search over logs, traces and metrics: filters to SQL, time slices under a budget, cursors, export."""
