//! Falco's JSON alert, read with falcosidekick's tolerance and written as Falco writes it.
