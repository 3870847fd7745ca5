"""Carries plans out: runs, undoes and recovers them, and writes each down."""
