"""What a page is made of: colours, SVG, tables."""
