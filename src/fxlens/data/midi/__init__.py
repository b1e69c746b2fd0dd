"""General MIDI files to multitracks."""
