"""HTTP to addresses that people have typed in: CRMs that leads come from, and whoever wants to be told what came of them."""
