"""x"""
def token_bytes(config, dtype):
    return int(config.num_hidden_layers * 2 * config.num_key_value_heads * config.head_dim * dtype.itemsize)
