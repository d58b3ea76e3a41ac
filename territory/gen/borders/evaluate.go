package main

import "io"

func evaluate(src sources, root string, stdout io.Writer) error { return nil }
