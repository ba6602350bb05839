"""Histories in the JSON form in which the real tools exchange them."""
