"""What is told of campaigns, leads and calls to people and programs alike, whichever door they come by."""
