"""What is sent and answered, one file a noun."""
