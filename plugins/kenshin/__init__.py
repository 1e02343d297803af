"""Kenshin."""
