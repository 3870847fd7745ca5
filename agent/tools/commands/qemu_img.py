"""qemu-img: what is known of disk images."""

from agent.tools.command import Command


def backing_chain(image: str) -> Command:
    """Say as JSON which images an image is laid over, itself first; it may be in use."""
    return Command(
        ("qemu-img", "info", "--force-share", "--backing-chain", "--output=json", "--", image)
    )
