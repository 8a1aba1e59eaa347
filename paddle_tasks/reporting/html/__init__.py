"""The report as one HTML file that opens offline and holds nothing but text, style and inline SVG."""
