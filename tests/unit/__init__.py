"""Tests that need no hypervisor and no root."""
