"""Inputs that an archive of strangers may hold, and processes in which reading them may go wrong."""
