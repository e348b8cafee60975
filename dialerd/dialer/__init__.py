"""The shell around the rules: decides when to dial, follows every call to its end, and rescues what a crash left open."""
