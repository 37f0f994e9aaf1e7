"""Networks as PyTorch code that needs no gandem: a readable module, and a compiled program."""
