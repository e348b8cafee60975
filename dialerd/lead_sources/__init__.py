"""Where leads come from. A source makes NewLead of what it reads, and says what is wrong with every other row."""
