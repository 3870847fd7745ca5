"""The agent as a process of its own over real libvirt, QEMU and Open vSwitch."""
