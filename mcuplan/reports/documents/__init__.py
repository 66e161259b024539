"""The documents that reports are: frozen dataclasses of raw text and bytes, their JSON and its schemas."""
