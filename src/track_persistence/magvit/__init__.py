"""The causal video tokenizer: encoder, lookup-free quantizer, decoder, training and feature extraction."""
