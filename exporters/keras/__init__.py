"""Formats of Keras and TensorFlow, which begin as a model of stock Keras layers.

Start Keras with :func:`gandem.core.training.load_backend` before importing the modules here that
import it: TensorFlow and PyTorch have to be imported in a certain order.
"""
