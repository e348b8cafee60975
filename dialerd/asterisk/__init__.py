"""The room that talks to Asterisk: commands out, events in. Nobody outside it sees an AMI header or an ARI event."""
