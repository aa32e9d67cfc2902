"""Where every artefact came from: code closures, sidecars, jobs that publish whole or not at all, verify and trace."""
