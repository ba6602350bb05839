"""The execution model `steps`: a platform that calls functions over HTTP and remembers the result of each step."""
