"""Pure formatting: from values to lines of styled text. Nothing here knows a widget."""
