// Empty, as in the library: it makes Arduino find it.
