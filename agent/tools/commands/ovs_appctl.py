"""ovs-appctl: asks ovs-vswitchd itself, where ovs-vsctl only asks its database."""

from agent.tools.command import Command


def version(timeout: int) -> Command:
    """Say the version of the ovs-vswitchd that runs. timeout: in seconds."""
    return Command(("ovs-appctl", f"--timeout={timeout}", "--target=ovs-vswitchd", "version"))
