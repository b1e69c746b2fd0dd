"""The server and its page: the same answers over HTTP and in a browser, on this machine and without any other."""
