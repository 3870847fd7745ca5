"""What is so: reads of libvirt and Open vSwitch, as facts for plans and answers."""
