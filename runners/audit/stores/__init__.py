"""Reading back from a store itself: Grafana Loki, Prometheus, Grafana Tempo, by their own APIs.

Each reader gives everything that it was asked for, or raises Unreadable: nothing is concluded from a part.
"""
