"""SeqFormer, and TAFormer, its temporal attention."""
