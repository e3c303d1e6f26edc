"""What a composed configuration may hold, and the key that its result is stored under."""
