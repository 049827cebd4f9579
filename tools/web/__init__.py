"""What `tools/site.py` puts the web site together from."""
