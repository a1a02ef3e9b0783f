"""Files inside containers, worked on by children that are confined to one root."""
