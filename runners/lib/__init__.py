"""Small helpers from the standard library alone; every other package may use them."""
