"""The control center: a Textual front end over the runners."""
