"""Follows installers to their end."""
