"""virt-xml: changes the definition of a domain that is kept."""

from collections.abc import Sequence

from agent.tools.command import Command
from agent.tools.commands.virt_install import boot_order


def set_boot(connect: str, domain: str, boot: Sequence[str]) -> Command:
    """Have a domain boot from these from its next start on.

    domain: its UUID. boot: "disk", "network" or "cdrom" each, in order.
    """
    return Command(
        (
            *("virt-xml", f"--connect={connect}", domain),
            *("--edit", f"--boot={boot_order(boot)}", "--define"),
        )
    )
