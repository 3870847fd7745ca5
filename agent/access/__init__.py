"""Which requests are let in: tokens, and the Host and Origin headers."""
