"""What everything else stands on: errors, settings, and one door for each kind of I/O."""
