"""Tests of Matrix."""
