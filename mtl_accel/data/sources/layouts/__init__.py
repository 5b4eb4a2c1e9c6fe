"""Where the tables of a source lie, and where their images: named, in a folder, or one folder deeper."""
