"""One program per command, thin: what a command does is in `emoboost`, where it runs is in `cluster`."""
