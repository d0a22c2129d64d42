"""What fills the room between the top line and the keys, and the boxes over it."""
