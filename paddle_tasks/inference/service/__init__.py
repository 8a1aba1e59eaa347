"""The HTTP service: models behind a queue, text streams, and the page that shows them."""
