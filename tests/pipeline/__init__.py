"""The product as a user meets it: the console script in its own process, with real Ray and real recordings."""
