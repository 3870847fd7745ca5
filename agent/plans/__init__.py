"""Plans: from a request and facts to commands and what undoes them. Pure."""
