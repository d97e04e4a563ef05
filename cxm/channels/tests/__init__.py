"""Tests of the channels as a whole: the contract over every folder."""
