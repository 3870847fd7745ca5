"""The staging compute agent: virtual machines and VLAN networks over HTTP on one hypervisor."""
