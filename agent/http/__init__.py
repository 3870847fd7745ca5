"""HTTP in, HTTP out: the routes, and what bodies and answers hold."""
