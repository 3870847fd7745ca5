"""virsh: domains, networks, volumes and pools of one libvirt connection."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from agent.tools.command import Command

# The namespaces of what the agent notes in a domain's metadata.
MEDIA_URI = "urn:staging-agent:media"
BOOT_URI = "urn:staging-agent:boot"
# virsh's exit code is 1 for every failure, so these tell that there was nothing left to do.
# A domain that was not there, and one that went while it was looked at.
NO_DOMAIN = ("failed to get domain", "Domain not found")
NO_NETWORK = "Network not found"
NO_VOLUME = "Storage volume not found"
DOMAIN_OFF = "domain is not running"
DOMAIN_ON = "Domain is already active"
NO_SCREEN = "no screens to take screenshot from"
# Of a screen whose QEMU is ending (libvirt looks for the file in its mounts), or ended just then.
QEMU_GONE = (
    "Kernel does not provide mount namespace",
    "End of file from qemu monitor",
    "Unable to read from monitor",
)
# Of a domain with other disks, and of one without any.
NO_DISK = ("No disk found whose source path or target is", "Failed to get disk information")
NO_SNAPSHOT = "Domain snapshot not found"
NETWORK_OFF = "is not active"
NETWORK_ON = "network is already active"


@dataclass(frozen=True, slots=True)
class Virsh:
    """Builds virsh commands for one connection.

    connect: the libvirt URI.

    Domains and networks are addressed by UUID: a name that is all digits would be taken
    for a running domain's number, and one shaped like a UUID for a UUID.
    """

    connect: str

    def _command(
        self,
        *words: str,
        stdin: str | None = None,
        tolerates: tuple[str, ...] = (),
        expects: str | None = None,
    ) -> Command:
        argv = ("virsh", f"--connect={self.connect}", *words)
        return Command(argv, stdin, tolerates, expects)

    def batch(self, commands: Sequence[Sequence[str]], mark: str | None = None) -> Command:
        """Several reads in one virsh, with a line of `mark` after each on both its outputs.

        commands: the words of each, without `virsh`; none of them a client's text.
        On stderr the line is `error: MARK`. virsh goes on after a command that failed, and
        its exit code is the last one's, so what is on stderr tells which failed.
        """
        after = f"; echo {mark}; echo --err {mark}" if mark else ""
        return self._command("; ".join(f"{shlex.join(words)}{after}" for words in commands))

    def alone(self, words: Sequence[str]) -> Command:
        """One read, as a person repeats it."""
        return self._command(*words)

    def trial(self, name: str, xml: str) -> Command:
        """Run the transient domain of that name for as long as virsh takes to say its state.

        Its exit code is that of the state's command; the domain ends with virsh.
        """
        return self._command(
            f"create /dev/stdin --autodestroy; domstate --reason {shlex.quote(name)}", stdin=xml
        )

    def start(self, domain: str) -> Command:
        """Start a domain that is off; it may run already."""
        return self._command("start", f"--domain={domain}", tolerates=(DOMAIN_ON,))

    def shutdown(self, domain: str) -> Command:
        """Press a domain's power button (ACPI); whether it heeds that is up to it."""
        return self._command("shutdown", f"--domain={domain}", "--mode=acpi")

    def reboot(self, domain: str) -> Command:
        """Ask a domain to start anew (ACPI); whether it heeds that is up to it."""
        return self._command("reboot", f"--domain={domain}", "--mode=acpi")

    def inject_nmi(self, domain: str) -> Command:
        """Send a domain a non-maskable interrupt."""
        return self._command("inject-nmi", f"--domain={domain}")

    def reset(self, domain: str) -> Command:
        """Start a domain anew at once, as by its reset button."""
        return self._command("reset", f"--domain={domain}")

    def domstate(self, domain: str, expects: str | None = None) -> Command:
        """Say a domain's state; fails when there is no such domain, or it is in another state."""
        return self._command("domstate", f"--domain={domain}", expects=expects)

    def screenshot(self, domain: str) -> Command:
        """Print a picture of a domain's screen; fails when it is off."""
        # Not quiet it would say so in the midst of it. A pipe or a file in memory, too, is opened.
        return Command(
            (
                *("virsh", f"--connect={self.connect}", "--quiet"),
                *("screenshot", f"--domain={domain}", "--file=/dev/stdout"),
            )
        )

    def destroy(self, domain: str) -> Command:
        """Stop a domain at once; it may be off, or gone, already."""
        return self._command("destroy", f"--domain={domain}", tolerates=(DOMAIN_OFF, *NO_DOMAIN))

    def undefine(self, domain: str) -> Command:
        """Forget a domain that is off, with all that libvirt keeps for it but its disks."""
        return self._command(
            "undefine",
            f"--domain={domain}",
            "--managed-save",
            "--nvram",
            "--snapshots-metadata",
            "--checkpoints-metadata",
            tolerates=NO_DOMAIN,
        )

    def vol_create_as(self, pool: str, name: str, capacity_gib: int) -> Command:
        """Make a sparse qcow2 volume; fails when there is one, or a file, of that name."""
        return self._command(
            "vol-create-as",
            f"--pool={pool}",
            f"--name={name}",
            f"--capacity={capacity_gib}GiB",
            "--format=qcow2",
        )

    def vol_delete(self, pool: str, vol: str) -> Command:
        """Delete a volume; it may be gone already."""
        return self._command("vol-delete", f"--pool={pool}", f"--vol={vol}", tolerates=(NO_VOLUME,))

    def vol_create_empty(self, pool: str, name: str) -> Command:
        """Make a volume of no bytes; fails when there is one, or a file, of that name."""
        return self._command(
            *("vol-create-as", f"--pool={pool}", f"--name={name}", "--capacity=0", "--format=raw")
        )

    def vol_upload(self, pool: str, vol: str, file: str) -> Command:
        """Fill a volume with a file, as large as that is."""
        return self._command("vol-upload", f"--pool={pool}", f"--vol={vol}", f"--file={file}")

    def attach_device(self, domain: str, xml: str) -> Command:
        """Give a domain a device, at once where the domain runs, and for good."""
        return self._command(
            *("attach-device", f"--domain={domain}", "--file=/dev/stdin", "--persistent"),
            stdin=xml,
        )

    def detach_disk(self, domain: str, target: str) -> Command:
        """Take a drive away, at once where the domain runs, and for good; it may be gone already.

        target: of the drive, or the path of its image.
        """
        return self._command(
            *("detach-disk", f"--domain={domain}", f"--target={target}", "--persistent"),
            tolerates=(*NO_DISK, *NO_DOMAIN),
        )

    def note_media(self, domain: str, url: str) -> Command:
        """Note in the kept definition of a domain where the image in its drive is from."""
        return self._command(
            *("metadata", f"--domain={domain}", f"--uri={MEDIA_URI}", "--key=media"),
            *(f"--set=<image>{escape(url)}</image>", "--config"),
        )

    def note_boot(self, domain: str, enabled: str, target: str, before: str) -> Command:
        """Note in the kept definition of a domain what it is to boot from other than usual.

        before: what it booted from until then, in order, in words with spaces between them.
        """
        given = {"enabled": enabled, "target": target, "before": before}
        noted = " ".join(f"{name}={quoteattr(value)}" for name, value in given.items())
        return self._command(
            *("metadata", f"--domain={domain}", f"--uri={BOOT_URI}", "--key=boot"),
            *(f"--set=<override {noted}/>", "--config"),
        )

    def forget(self, domain: str, uri: str) -> Command:
        """Take such a note, of MEDIA_URI or BOOT_URI, out of the definition; there may be none."""
        return self._command(
            *("metadata", f"--domain={domain}", f"--uri={uri}", "--remove", "--config"),
            tolerates=NO_DOMAIN,
        )

    def snapshot_list(self, domain: str, expects: Sequence[str]) -> Command:
        """Name a domain's snapshots; fails when they are not these, in virsh's order."""
        return self._command(
            "snapshot-list", f"--domain={domain}", "--name", expects="\n".join(expects)
        )

    def snapshot_create_as(self, domain: str, name: str) -> Command:
        """Make a snapshot of a domain's disks, and of its memory where it runs."""
        return self._command("snapshot-create-as", f"--domain={domain}", f"--name={name}")

    def snapshot_revert(self, domain: str, name: str) -> Command:
        """Put a domain back to a snapshot: disks, definition, and memory where it ran then."""
        return self._command("snapshot-revert", f"--domain={domain}", f"--snapshotname={name}")

    def snapshot_delete(self, domain: str, name: str) -> Command:
        """Delete a snapshot; it may be gone already."""
        return self._command(
            *("snapshot-delete", f"--domain={domain}", f"--snapshotname={name}"),
            tolerates=(NO_SNAPSHOT, *NO_DOMAIN),
        )

    def net_define(self, xml: str) -> Command:
        """Define a persistent network; fails when one of its name has another UUID."""
        return self._command("net-define", "--file=/dev/stdin", stdin=xml)

    def net_start(self, network: str) -> Command:
        """Start a network that is defined; it may run already."""
        return self._command("net-start", f"--network={network}", tolerates=(NETWORK_ON,))

    def net_autostart(self, network: str) -> Command:
        """Have a network started with the hypervisor."""
        return self._command("net-autostart", f"--network={network}")

    def net_destroy(self, network: str) -> Command:
        """Stop a network; it may be stopped, or gone, already."""
        return self._command(
            "net-destroy", f"--network={network}", tolerates=(NETWORK_OFF, NO_NETWORK)
        )

    def net_undefine(self, network: str) -> Command:
        """Forget a network; it may be gone already."""
        return self._command("net-undefine", f"--network={network}", tolerates=(NO_NETWORK,))
