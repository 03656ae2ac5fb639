"""How `sage-mm-tiny` is made from nothing: tokenizer, vision tower, lessons, cloning."""
