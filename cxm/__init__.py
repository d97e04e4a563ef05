"""OpenCXM: hear every voice about a company, understand it, answer it."""

__version__ = "0.1.0"
