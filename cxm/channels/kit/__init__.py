"""What every channel needs and none should write again: signatures, JSON limits, text, HTTP answers, mail."""
