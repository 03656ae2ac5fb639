"""Who acts: random, uniform, scripted and model policies; importing this loads no heavy package."""
