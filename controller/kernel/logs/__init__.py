"""What containers write: kept, rotated, relayed, read and followed."""
