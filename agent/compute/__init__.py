"""Hosts, networks and installs: what is shown of them, and the changes to them."""
