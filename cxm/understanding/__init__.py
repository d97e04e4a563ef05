"""The text models: language, sentiment, emotions, intents, spam, and their training (plain Python and numpy)."""
