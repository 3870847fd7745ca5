"""Parsers: what a tool printed in, values out. They are pure and quote what they cannot read."""
