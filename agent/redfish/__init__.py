"""The BMC of every host, as Redfish has it: documents in and out, and the same changes."""
