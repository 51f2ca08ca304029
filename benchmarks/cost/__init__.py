"""What a model costs: its operations and parameters, and the papers' own tables of them."""
