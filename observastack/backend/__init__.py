"""The platform's API: authentication, search, signals, test data. `python -m observastack.backend --config FILE`."""
