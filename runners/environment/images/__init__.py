"""Container images: what each is built from, whether it is there already, building it, and the digests of official ones."""
