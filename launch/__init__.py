"""The scripts. None imports another; this file keeps tools from taking evaluate.py for the library of that name."""
