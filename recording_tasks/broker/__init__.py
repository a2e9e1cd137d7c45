"""What kombu does at the broker, and must do otherwise here."""
