"""Explanations for people and machines: sections of text and tables, which all renderings share."""
